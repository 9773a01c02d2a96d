//! Thin safe wrappers around the system calls the engine needs, one file a family. The only place in core with `unsafe`.
