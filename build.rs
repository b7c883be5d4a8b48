//! Sees to it that pages built later find their way into the next build of the program.

fn main() {
    for folder in ["web/dist", "web/dist-terminal"] {
        // An empty folder is a program without its page: it says how to build it.
        if let Err(error) = std::fs::create_dir_all(folder) {
            println!("cargo::error={folder} cannot be made: {error}");
        }
        println!("cargo::rerun-if-changed={folder}");
    }
}
