//! System calls that lead out of a sandbox past its namespaces, refused by the kernel (seccomp).
//!
//! A network namespace does not cover `AF_VSOCK`, by which a virtual machine reaches the host that runs it. `io_uring`
//! opens sockets without the call that is looked at, and other calling conventions (32 bit, x32) have numbers of their
//! own, so none of these is there.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
};

use nix::libc;
use rustix::fs::{MemfdFlags, SeekFrom};

/// What the kernel calls the architecture that this was built for: its ELF number, 64 bit, little-endian.
const ARCHITECTURE: u32 = 0xC000_0000 | ELF;
#[cfg(target_arch = "x86_64")]
const ELF: u32 = 62;
#[cfg(target_arch = "aarch64")]
const ELF: u32 = 183;
#[cfg(target_arch = "riscv64")]
const ELF: u32 = 243;

/// System calls of x32 are numbered from here.
const FIRST_OF_X32: u32 = 0x4000_0000;

/// Where `struct seccomp_data` keeps the number, the architecture and the first argument (its lower half).
const NUMBER: u32 = 0;
const CONVENTION: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;

/// An instruction: code, how many to skip if it holds and if not, operand.
type Instruction = (u32, u8, u8, u32);

const PROGRAM: [Instruction; 11] = [
    (LOAD, 0, 0, CONVENTION),
    (IF_EQUAL, 0, 7, ARCHITECTURE),
    (LOAD, 0, 0, NUMBER),
    (IF_AT_LEAST, 5, 0, FIRST_OF_X32),
    (IF_EQUAL, 4, 0, number(libc::SYS_io_uring_setup)),
    (IF_EQUAL, 0, 2, number(libc::SYS_socket)),
    (LOAD, 0, 0, FIRST_ARGUMENT),
    (IF_EQUAL, 2, 0, libc::AF_VSOCK.cast_unsigned()),
    (ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    (ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    (ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT.cast_unsigned()),
];

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of system calls are small")]
const fn number(call: libc::c_long) -> u32 {
    call as u32
}

/// The filter as bwrap reads it.
pub(super) fn file() -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("seccomp", MemfdFlags::CLOEXEC)?;
    let mut writer = File::from(file.try_clone()?);
    for (code, holds, otherwise, operand) in PROGRAM {
        let code = u16::try_from(code).map_err(|_| io::ErrorKind::InvalidInput)?;
        writer.write_all(&code.to_ne_bytes())?;
        writer.write_all(&[holds, otherwise])?;
        writer.write_all(&operand.to_ne_bytes())?;
    }
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}
