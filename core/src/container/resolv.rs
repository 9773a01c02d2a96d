//! `/etc/resolv.conf` of a running container that has come into a network with names.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::plan;
use super::record::Record;
use crate::Engine;
use crate::error::{Error, Result};

/// Have a container ask the resolver at 127.0.0.11, from now on.
pub(crate) fn use_resolver(engine: &Engine, id: &str) -> Result<()> {
    let path = engine.layout().container(id).join("resolv.conf");
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    let before = fs::read_to_string(&path).map_err(failed)?;
    let record = engine.store().read(|connection| Record::find(connection, id))?;
    let Some(record) = record else { return Ok(()) };
    let servers = plan::name_servers(&record.document.host_config, engine.host())?;
    let after = plan::resolv_conf_inside(&before, &servers);
    if after == before {
        return Ok(());
    }
    // The file is mounted in the container, so it stays the same one.
    let mut options = File::options();
    let options = options.write(true).truncate(true).custom_flags(libc::O_NOFOLLOW);
    options.open(&path).and_then(|mut file| file.write_all(after.as_bytes())).map_err(failed)
}
