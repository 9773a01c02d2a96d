//! The end: what is left is killed, the last output passed on, the state written, everybody told, everything removed.
//!
//! The order is what others rely on. The state is on disk before anybody is told of it, so that no answer is ever newer than
//! what the disk says after a power cut. It is told before the rest is cleared away, because somebody is waiting. The
//! connections close when all is gone, so that whoever waits for that finds nothing left.

use std::time::{Duration, Instant};

use super::client::Chunk;
use super::clients::{Clients, Requests};
use super::ending::{Ending, Stop};
use super::poller::{Poller, Ready, Source};
use super::supervisor::Supervisor;
use super::{emergency, process, record, timestamp};
use crate::failpoint::failpoint;
use crate::protocol::Event;
use crate::state::Status;

/// How long processes may take to die, and cgroups to be rid of them. Only a process in an uninterruptible wait (a network
/// file system that does not answer) takes any time at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take to read that the container has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the kernel may take to begin with what was deleted of the firewall.
const TAKEN_UP: Duration = Duration::from_millis(2);

impl Supervisor {
    /// Process 1 has ended. Whether it is to be started again; otherwise all is done.
    pub(super) fn finish(&mut self, ending: Ending) -> bool {
        let _ = failpoint("exit-seen");
        self.stop_watching();
        if self.terms.shares_pids {
            self.kill_the_rest();
        }
        self.end_execs();
        if self.memory.look(&self.cgroup) {
            self.events.tell("oom", &[]);
        }
        {
            let Supervisor { output, clients, log, poller, .. } = self;
            output.drain(clients, log, poller, |clients, chunk| {
                await_clients(poller, clients, chunk, None);
            });
        }
        self.settle_state(ending);
        if self.prepare_restart(ending) {
            self.finish_run();
            return true;
        }
        self.finish_for_good(true);
        false
    }

    /// It has ended before, and will not be started again.
    pub(super) fn finish_waiting(&mut self) {
        self.stop_watching();
        self.ending = Some(Ending::Code(self.state.exit_code));
        self.finish_for_good(false);
    }

    fn finish_for_good(&mut self, has_just_ended: bool) {
        if let Err(errno) =
            record::write(self.directories.container, &self.state, !self.terms.auto_remove)
            && self.state.error.is_empty()
        {
            // Those who listen are told at least.
            let why = crate::protocol::describe(errno.raw_os_error());
            self.state.error = format!("write the state: {why}");
        }
        emergency::disarm();
        if has_just_ended {
            self.events.die(&self.state);
        }
        if !matches!(self.asked.stop, Stop::NotAsked) {
            self.events.tell("stop", &[]);
        }
        let _ = failpoint("exit-written");
        let event = Event::Exited { state: self.state.clone(), again: false };
        self.clients.tell_exit(&event, self.output.chunk());
        let _ = failpoint("told");
        self.clear_away();
        self.answer_late_requests();
        self.say_farewell();
    }

    /// End the process, when everything else has come to its end.
    pub(super) fn vanish(self) -> ! {
        process::unlock();
        drop(self.clients);
        // Who closes a socket to nf_tables before the kernel's worker has taken up what was deleted waits for a grace period of RCU, some
        // 10 ms, and who closes another one then waits for that (`nft_rcv_nl_event` in nf_tables_api.c). Nobody waits for us now.
        if self.mending.is_some() {
            std::thread::sleep(TAKEN_UP);
        }
        process::exit()
    }

    /// Everything that the poller would otherwise report over and over from now on.
    fn stop_watching(&mut self) {
        self.poller.forget(&self.container.pidfd);
        self.poller.forget(&self.listener);
        self.poller.forget(&self.signals);
        if let Some(owner) = &self.owner {
            self.poller.forget(owner);
        }
        self.listen_again = None;
        self.settle_at = None;
        self.health = None;
        if let Some(watch) = self.memory.watch() {
            self.poller.forget(watch);
        }
        self.stdin.close(&self.poller);
        if let Some(names) = &mut self.names {
            names.stop(&self.poller);
        }
        if let Some(mending) = &self.mending {
            mending.stop(&self.poller);
        }
    }

    /// Without a pid namespace of its own the container's other processes have outlived process 1.
    fn kill_the_rest(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            // That none is left is what counts.
            let _ = self.cgroup.kill();
            process::reap_adopted(|_| false);
            if self.cgroup.processes().is_ok_and(|p| p.is_empty()) || Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn settle_state(&mut self, ending: Ending) {
        self.state.status = Status::Exited;
        self.state.pid = 0;
        self.state.paused = false;
        self.state.finished_at = timestamp::now();
        self.state.exit_code = ending.code();
        self.state.oom_killed = self.memory.has_killed();
        self.state.reason = self.asked.reason(ending, self.memory.has_killed_recently());
        if let Some(trouble) = self.log.as_ref().and_then(super::log::Log::trouble) {
            self.state.error = trouble;
        }
    }

    pub(super) fn remove_cgroup(&self) {
        // What cannot be removed now, whoever opens the engine next finds and removes.
        if self.cgroup.remove(Duration::ZERO).is_err() {
            let _ = self.cgroup.kill();
            let _ = self.cgroup.remove(PATIENCE);
        }
        let _ = failpoint("cgroup-removed");
    }

    fn clear_away(&mut self) {
        self.remove_cgroup();
        if self.terms.auto_remove {
            self.directories.remove_container();
            let _ = failpoint("dir-removed");
        }
        self.directories.remove_run();
    }

    /// Those who asked or connected while we were busy with the end.
    fn answer_late_requests(&mut self) {
        self.accept();
        for (place, turn) in self.clients.all() {
            let source = Source::Client(place, turn);
            self.serve(
                place,
                turn,
                Ready { source, readable: true, writable: false, hung_up: false },
            );
        }
    }

    fn say_farewell(&mut self) {
        let until = Instant::now() + FAREWELL;
        while self.clients.have_unsent() && Instant::now() < until {
            await_clients(&self.poller, &mut self.clients, self.output.chunk(), Some(until));
        }
    }
}

/// Wait until clients have taken something or gone, and drop those that stall. Their requests are left unread.
fn await_clients(poller: &Poller, clients: &mut Clients, chunk: Chunk<'_>, until: Option<Instant>) {
    clients.watch(poller, Requests::Left);
    let deadline = [clients.deadline(), until].into_iter().flatten().min();
    // A poller that fails waits for nothing, and those who stall go in time.
    for ready in poller.wait(deadline).into_iter().flatten() {
        if let Source::Client(place, turn) = ready.source
            && (ready.hung_up || ready.writable && !clients.flush(place, turn, chunk))
        {
            clients.remove(place, poller);
        }
    }
    while let Some((place, _)) = clients.stalled(Instant::now()) {
        clients.remove(place, poller);
    }
}
