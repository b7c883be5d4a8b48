//! Sees to it that a page built later finds its way into the next build of the program.

fn main() {
    // An empty folder is a program without its page: it says how to build it.
    if let Err(error) = std::fs::create_dir_all("web/dist") {
        println!("cargo::error=web/dist cannot be made: {error}");
    }
    println!("cargo::rerun-if-changed=web/dist");
}
