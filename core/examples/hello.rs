//! Run the image that barque carries inside itself, and show what it says.

use std::io::Write;

use barque::api::{ContainerCreate, ContainerRun, HostConfig};
use barque::{Deadline, Engine, EngineOptions, Item, Next};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(EngineOptions::default())?;
    let mut run = engine.containers().run(&ContainerRun {
        create: ContainerCreate {
            image: "hello".into(),
            host_config: HostConfig {
                network_mode: "none".into(),
                auto_remove: true,
                ..Default::default()
            },
            ..Default::default()
        },
        ..Default::default()
    })?;
    while let Next::Item(item) = run.next(Deadline::never())? {
        if let Item::Chunk(chunk) = item {
            std::io::stdout().write_all(&chunk.data)?;
        }
    }
    Ok(())
}
