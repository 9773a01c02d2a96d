//! Networks beside a host and a world: what is reached from where, and what of the host is changed. Each test is in a network
//! namespace of its own, which is the host; another one is the world, with a link between them.

mod crowd;
mod ipv6;
mod parented;
mod published;
mod reach;
mod real;
mod removed;
mod world;

use barque_tests::suite::Suite;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    reach::add(&mut suite);
    ipv6::add(&mut suite);
    parented::add(&mut suite);
    real::add(&mut suite);
    published::add(&mut suite);
    removed::add(&mut suite);
    crowd::add(&mut suite);
    suite.run()
}
