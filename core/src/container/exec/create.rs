//! `exec.create`: a container's monitor is told what is to run.

use barque_monitor::protocol::{Exec, Request};

use super::{Created, Execs, SHARED, ask};
use crate::api::{ExecCreate, ExecCreated, ExecInspect, ExecProcess};
use crate::container::plan::{self, Further};
use crate::container::{link, monitor};
use crate::error::{Error, Result};
use crate::id;

impl Execs<'_> {
    /// Make ready a further process in a container that runs. Nothing runs yet.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the container does not run. See `docs/errors.md`.
    pub fn create(&self, request: &ExecCreate) -> Result<ExecCreated> {
        let engine = self.engine;
        let record = engine.containers().find(&request.container)?;
        plan::check_exec(request)?;
        let Some(mut connection) = monitor::connect(engine, &record.id)? else {
            return Err(monitor::not_running(&record.id));
        };
        let host_config = &record.document.host_config;
        let Further { mut process, user, group_add } =
            plan::exec(&record.config, host_config, request, engine.host())?;
        let linked = link::still_in_default_network(engine, &record);
        link::tell_process(&mut process.env, &record.name, &linked);
        let own = id::hex(&id::random_bytes::<16>()?);
        let id = format!("{}{own}", &record.id[..SHARED]);
        let document = serde_json::to_value(document(&id, &record.id, request))
            .map_err(|error| Error::internal("write a document").because(error))?;
        let exec = Exec {
            id: id.clone(),
            process,
            user,
            group_add,
            stdin: request.attach_stdin,
            stdout: request.attach_stdout,
            stderr: request.attach_stderr,
            document,
        };
        let request = Request::ExecCreate { exec: Box::new(exec) };
        ask(engine, &record.id, &mut connection, &request)?;
        engine.keep_exec(Created { id: id.clone(), container: record.id, connection });
        Ok(ExecCreated { id })
    }
}

/// What the monitor gives back when it is inspected; the rest it knows itself.
fn document(id: &str, container: &str, request: &ExecCreate) -> ExecInspect {
    let words = request.cmd.as_deref().unwrap_or_default();
    let (entrypoint, arguments) =
        words.split_first().map_or((String::new(), Vec::new()), |w| (w.0.clone(), w.1.to_vec()));
    ExecInspect {
        id: id.to_owned(),
        container_id: container.to_owned(),
        open_stdin: request.attach_stdin,
        open_stdout: request.attach_stdout,
        open_stderr: request.attach_stderr,
        process_config: ExecProcess {
            tty: request.tty,
            entrypoint,
            arguments,
            privileged: request.privileged,
            user: request.user.clone(),
        },
        ..ExecInspect::default()
    }
}
