//! One test per known way out of a container, by the row numbers of the CVE table (SEC-nnn): those that concern running and
//! image configurations, as far as what exists can be attacked by them.
//!
//! Most have the same form. A *victim* directory on the host is fingerprinted, an image that reaches for it is loaded and run,
//! and afterwards the victim is as it was, and the run either worked inside its root or failed with a clean error.

mod builds;
mod documented;
mod exec;
mod files;
mod hammer;
mod hostile_configurations;
mod hostile_images;
mod hostile_volumes;
mod isolation;
mod moving_files;
mod parsing;
mod user_namespaces;
mod victim;

use barque_tests::suite::Suite;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    documented::add(&mut suite);
    hostile_images::add(&mut suite);
    hostile_configurations::add(&mut suite);
    hostile_volumes::add(&mut suite);
    isolation::add(&mut suite);
    exec::add(&mut suite);
    files::add(&mut suite);
    moving_files::add(&mut suite);
    parsing::add(&mut suite);
    user_namespaces::add(&mut suite);
    builds::add(&mut suite);
    suite.run()
}
