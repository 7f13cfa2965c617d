//! The in-process Llama engine behind the guard.
