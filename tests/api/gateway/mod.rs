//! The way from a browser to an app: real sockets, the real server, a real database; the programs are the tests' own.

mod activity;
mod carrying;
mod connections;
mod doors;
mod headers;
mod one_name;
mod pages;
mod shares;
mod sockets;
mod viewer;
mod world;
