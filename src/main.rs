//! Arguments in, exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Exchanges allocate and free buffers of all sizes on all threads, which glibc's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "candle")]
    settle_threads();
    wardgate::cli::run()
}

/// Says how many threads a product may take, unless the user has. candle would otherwise find it out
/// again at every product by reading `/proc/cpuinfo`, which takes longer than the products of a small
/// guard. A container's share of the processor counts, a second thread of the same core does not.
#[cfg(feature = "candle")]
fn settle_threads() {
    const THREADS: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        let granted = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = granted.min(num_cpus::get_physical()).to_string();
        #[expect(unsafe_code, reason = "the only thread there is writes it, and nobody reads yet")]
        unsafe {
            std::env::set_var(THREADS, threads);
        }
    }
}
