//! What scenarios cannot show: the rules in the kernel. Each test is in a network namespace of its own. Needs root.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::firewall;
use crate::api::NetworkCreate;
use crate::sys::namespace;
use crate::sys::netlink::Socket;
use crate::sys::netlink::nftables::Table;
use crate::{Engine, EngineOptions};

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        Place(std::env::temp_dir().join(format!("barque-networks-{}-{number}", std::process::id())))
    }

    fn engine(&self) -> Engine {
        let options = EngineOptions::at(self.0.join("root")).run_directory(self.0.join("run"));
        Engine::open(options).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn rules_that_were_flushed_are_put_back_by_whoever_opens_the_engine_next() {
    let (_, ()) = namespace::make_network(|| {
        let place = Place::new();
        let engine = place.engine();
        engine.networks().create(&NetworkCreate { name: "web".into(), ..Default::default() })?;
        let name = engine.layout().firewall_table();
        let socket = Socket::netfilter()?;
        let has = || socket.has_table(Table(&name)).map_err(|refusal| refusal.error("look"));
        place.engine();
        assert!(!has()?, "there is no bridge yet, and so no table");
        firewall::ensure(&engine, &namespace::lock_network()?)?;
        assert!(has()?);
        let before = socket.generation().map_err(|refusal| refusal.error("look"))?;
        place.engine();
        let after = socket.generation().map_err(|refusal| refusal.error("look"))?;
        assert_eq!(after, before, "nobody had changed anything");
        socket.batch(vec![Table(&name).delete()]).map_err(|refusal| refusal.error("flush"))?;
        assert!(!has()?);
        place.engine();
        assert!(has()?);
        // A program in another network namespace has no business with it.
        let (_, seen) = namespace::make_network({
            let (place, name) = (place.0.clone(), name.clone());
            move || {
                Place::engine(&std::mem::ManuallyDrop::new(Place(place)));
                Socket::netfilter()?
                    .has_table(Table(&name))
                    .map_err(|refusal| refusal.error("look"))
            }
        })?;
        assert!(!seen);
        Ok(())
    })
    .unwrap();
}
