use super::*;
use std::sync::atomic::AtomicBool;

struct Ship(#[expect(dead_code, reason = "it is there to be dropped")] Sunk);
struct Sunk(Arc<AtomicBool>);
struct Harbour;

impl Drop for Sunk {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
impl Object for Ship {
    type Opaque = u8;
    const KIND: (u64, &'static str) = (6, "ship");
}
impl Object for Harbour {
    type Opaque = u8;
    const KIND: (u64, &'static str) = (7, "harbour");
}

fn launch() -> (*mut u8, Arc<AtomicBool>) {
    let sunk = Arc::new(AtomicBool::new(false));
    (give(Ship(Sunk(Arc::clone(&sunk)))).unwrap(), sunk)
}

fn refusal<T: Object>(handle: *const T::Opaque) -> String {
    match get::<T>(handle, "ship") {
        Err(error) => format!("{} ({})", error.message(), error.reason()),
        Ok(_) => "taken".to_owned(),
    }
}

#[test]
fn a_freed_handle_is_refused_even_when_its_row_is_used_again() {
    let (first, sunk) = launch();
    free::<Ship>(first);
    assert!(sunk.load(Ordering::Acquire));
    let (second, _) = launch();
    assert_ne!(first, second);
    assert_eq!(refusal::<Ship>(first), "ship was freed already (bad_handle)");
    free::<Ship>(first);
    assert_eq!(refusal::<Ship>(second), "taken");
    free::<Ship>(second);
}

#[test]
fn foreign_handles_and_plain_addresses_are_refused_unread() {
    let harbour = give(Harbour).unwrap();
    assert_eq!(refusal::<Ship>(harbour), "ship is not a ship (bad_handle)");
    free::<Ship>(harbour);
    assert!(get::<Harbour>(harbour, "harbour").is_ok());
    free::<Harbour>(harbour);
    assert_eq!(refusal::<Ship>(std::ptr::null()), "ship is NULL (null)");
    for address in [1usize, 8, 0x7fff_0000_1000, usize::MAX, 0x6000_0000_0000_0000] {
        let forged = std::ptr::without_provenance(address);
        assert_eq!(refusal::<Ship>(forged), "ship is not a handle of barque's (bad_handle)");
    }
    let on_the_stack = 0u8;
    assert!(!is_handle(&raw const on_the_stack));
}

#[test]
fn a_handle_freed_during_a_call_dies_when_the_call_returns() {
    let (handle, sunk) = launch();
    let held = get::<Ship>(handle, "ship").unwrap();
    free::<Ship>(handle);
    assert!(!sunk.load(Ordering::Acquire));
    drop(held);
    assert!(sunk.load(Ordering::Acquire));
}

#[test]
fn threads_share_the_table() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let (handle, sunk) = launch();
                    assert!(get::<Ship>(handle, "ship").is_ok());
                    free::<Ship>(handle);
                    assert!(sunk.load(Ordering::Acquire));
                }
            });
        }
    });
}
