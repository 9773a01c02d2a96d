//! What scenarios cannot show: the rules in the kernel. Each test is in a network namespace of its own. Needs root.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::firewall;
use crate::api::NetworkCreate;
use crate::sys::namespace;
use crate::sys::netlink::Socket;
use crate::sys::netlink::message::{Attributes, Message};
use crate::sys::netlink::nftables::{Element, Table, interface};
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
        let has = || {
            socket.shape(Table(&name)).map(|s| s.is_some()).map_err(|refusal| refusal.error("look"))
        };
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
                let shape = Socket::netfilter()?.shape(Table(&name));
                shape.map(|shape| shape.is_some()).map_err(|refusal| refusal.error("look"))
            }
        })?;
        assert!(!seen);
        Ok(())
    })
    .unwrap();
}

#[test]
fn only_what_is_wrong_in_the_table_is_mended() {
    let (_, ()) = namespace::make_network(|| {
        let place = Place::new();
        let engine = place.engine();
        engine.networks().create(&NetworkCreate { name: "web".into(), ..Default::default() })?;
        let name = engine.layout().firewall_table();
        let (socket, table) = (Socket::netfilter()?, Table(&name));
        let change = |messages: Vec<Message>| {
            socket.batch(messages).map_err(|refusal| refusal.error("change the rules"))
        };
        let shape = || socket.shape(table).map_err(|refusal| refusal.error("look"));
        let bridges = || socket.elements(table, "bridges").map_err(|refusal| refusal.error("look"));
        firewall::ensure(&engine, &namespace::lock_network()?)?;
        let (first, full) = (shape()?.expect("a table"), bridges()?);
        assert_eq!(full.len(), 1);
        // A table of somebody else's changes the number of the rule set, and nothing of ours.
        change(vec![Table("other").add()])?;
        place.engine();
        assert_eq!(shape()?.as_deref(), Some(&first[..]));
        // What was put into a set, or taken from it, is put right, and the rest of the table stays.
        change(table.delete_elements("bridges", &full))?;
        change(table.add_elements("bridges", [&Element::of(&interface("stranger"))]))?;
        assert_ne!(bridges()?, full);
        place.engine();
        assert_eq!(bridges()?, full);
        assert_eq!(shape()?.as_deref(), Some(&first[..]));
        // Where a rule is missing all is made again.
        const DELETE_RULES: u16 = 10 << 8 | 8;
        let chain = Attributes::new().text(1, &name).text(2, "forward");
        change(vec![Message::new(DELETE_RULES, 0, &[1, 0, 0, 0]).with(chain)])?;
        let without = shape()?.expect("a table");
        assert!(without.len() < first.len());
        place.engine();
        let again = shape()?.expect("a table");
        assert_eq!(again.len(), first.len());
        assert_ne!(again, first, "the kernel numbers rules anew");
        assert_eq!(bridges()?, full);
        Ok(())
    })
    .unwrap();
}
