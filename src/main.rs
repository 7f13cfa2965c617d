//! Arguments in, exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Exchanges allocate and free buffers of all sizes on all threads, which glibc's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    wardgate::cli::run()
}
