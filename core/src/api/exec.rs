//! Documents about further processes in containers: Docker's exec.

use serde::{Deserialize, Serialize};

use super::de;

/// What to run in a container: the body of `POST /containers/{id}/exec`, with the container beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExecCreate {
    /// The container: name, id or prefix. It must run.
    pub container: String,
    /// Send standard input.
    pub attach_stdin: bool,
    /// Receive standard output; it is dropped otherwise.
    pub attach_stdout: bool,
    /// Receive standard error; it is dropped otherwise.
    pub attach_stderr: bool,
    /// Give it a terminal.
    pub tty: bool,
    /// Size of its terminal at first: rows and columns.
    pub console_size: [u16; 2],
    /// Environment, `KEY=VALUE` each, or a map; added to the container's.
    #[serde(deserialize_with = "de::environment")]
    pub env: Vec<String>,
    /// Command and arguments.
    #[serde(deserialize_with = "de::some_words")]
    pub cmd: Option<Vec<String>>,
    /// Give it all capabilities.
    pub privileged: bool,
    /// `user`, `uid`, `user:group` and so on; empty: the container's.
    pub user: String,
    /// Working directory, absolute; empty: the container's.
    pub working_dir: String,
}

/// What `exec.create` has made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExecCreated {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
}

/// Which one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExecRef {
    /// Its id.
    pub id: String,
}

/// Start one: the body of `POST /exec/{id}/start`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExecStart {
    /// Its id.
    pub id: String,
    /// Let it go on by itself: the stream ends at once, and output is dropped. Otherwise it ends with its stream: closing that
    /// before kills it and all that it has started.
    pub detach: bool,
    /// Size of its terminal at first: rows and columns.
    pub console_size: [u16; 2],
    /// Kill it and all that it has started (reason `timeout`) when it still runs after so many milliseconds; 0: no limit.
    pub timeout_ms: u64,
}

/// The last document of the stream of `exec.start`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExecExit {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// It goes on: it was started with `Detach`.
    pub running: bool,
    /// Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known. Nothing while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it ended: `exited`, `signaled`, `killed`, `timeout` or `monitor-died`.
    pub reason: String,
}

/// Send one a signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExecKill {
    /// Its id.
    pub id: String,
    /// `TERM`, `SIGTERM`, `15`; empty: SIGKILL, which all that it has started gets too.
    pub signal: String,
}

/// Set the size of one's terminal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExecResize {
    /// Its id.
    pub id: String,
    /// Rows.
    pub h: u16,
    /// Columns.
    pub w: u16,
}

/// Everything about one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecInspect {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its container's id.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// It was started and has not ended.
    #[serde(rename = "Running")]
    pub running: bool,
    /// Its exit code; nothing before it has ended.
    #[serde(rename = "ExitCode")]
    pub exit_code: Option<i32>,
    /// Its pid on the host while it runs, else 0.
    #[serde(rename = "Pid")]
    pub pid: i32,
    /// It takes input.
    #[serde(rename = "OpenStdin")]
    pub open_stdin: bool,
    /// Its standard output is wanted.
    #[serde(rename = "OpenStdout")]
    pub open_stdout: bool,
    /// Its standard error is wanted.
    #[serde(rename = "OpenStderr")]
    pub open_stderr: bool,
    /// It can be forgotten.
    #[serde(rename = "CanRemove")]
    pub can_remove: bool,
    /// What it is.
    #[serde(rename = "ProcessConfig")]
    pub process_config: ExecProcess,
}

/// What a process is, as `exec.inspect` has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecProcess {
    /// It has a terminal.
    pub tty: bool,
    /// The command.
    pub entrypoint: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// It has all capabilities.
    pub privileged: bool,
    /// The user, where one was asked for.
    pub user: String,
}
