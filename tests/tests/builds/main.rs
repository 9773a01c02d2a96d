//! Builds, where scenarios cannot show it: what is taken from the cache and what is done again, what goes on side by side, and what is
//! left of what was cut short.

mod cache;
mod checks;
mod contexts;
mod going_on;
mod links;
mod mounts;
mod outputs;
mod pulled;
mod remote;
mod repeatable;
mod secrets;
mod shared;
mod space;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use barque::api::{ImageBuild, Input, Progress};
use barque::{Deadline, Engine, Error, Item, Next, Stream};
use barque_tests::{Sandbox, suite};
use cache::*;
use checks::*;
use contexts::*;
use going_on::*;
use links::*;
use mounts::*;
use outputs::*;
use pulled::*;
use remote::*;
use repeatable::*;
use secrets::*;
use shared::*;
use space::*;
use steps::*;

suite!(
    a_touched_file_is_the_same_file_and_one_byte_makes_another,
    an_argument_counts_from_its_first_use,
    without_the_cache_everything_is_done_again,
    what_a_failed_build_has_done_is_kept,
    what_a_step_left_that_failed_can_be_looked_into,
    a_step_has_the_limits_that_the_build_was_given,
    each_instruction_has_a_row_of_its_own_in_the_history,
    command_and_entry_point_go_together_as_the_reference_says,
    a_dockerfile_elsewhere_has_rules_of_its_own,
    images_of_registries_are_pulled_when_they_are_missing_or_that_is_said,
    an_image_that_cannot_be_had_is_named_with_its_line,
    independent_stages_go_on_side_by_side_and_a_cancelled_build_leaves_nothing,
    a_stage_that_fails_ends_the_others,
    a_step_whose_monitor_is_killed_fails_and_leaves_nothing,
    output_that_nobody_reads_waits_and_none_is_lost,
    an_image_that_is_removed_while_a_build_stands_on_it_goes_afterwards,
    what_a_build_has_taken_from_the_cache_stays_until_its_end,
    two_builds_of_one_context_both_succeed,
    the_index_follows_builds_that_only_name_an_image_or_begin_with_nothing,
    a_layer_that_a_build_stands_on_is_not_repaired_under_it,
    the_layers_of_a_build_outlive_the_image_below_it,
    a_link_in_the_context_does_not_lead_out_of_it,
    what_a_link_leads_to_is_copied_by_the_name_of_the_link,
    what_is_ignored_is_not_copied_with_all_the_rest,
    a_here_document_is_a_program,
    a_bind_mount_shows_what_is_there_and_leaves_nothing_in_the_image,
    a_cache_mount_survives_and_leaves_nothing_in_the_image,
    a_cache_mount_cannot_be_where_it_should_not,
    caches_are_shared_locked_or_private,
    a_cache_begins_with_what_it_is_from,
    a_secret_reaches_its_step_and_is_nowhere_else,
    a_secret_that_cannot_be_is_told_without_its_content,
    an_agent_is_asked_for_keys_and_signatures_and_nothing_else,
    a_context_with_a_name_is_that_image_in_every_spelling,
    an_image_of_a_layout_goes_with_the_build,
    a_context_with_a_name_has_rules_of_its_own_and_counts_for_the_cache,
    a_file_at_a_url_is_fetched_and_counts_by_its_content,
    a_file_whose_digest_is_given_is_checked_and_fetched_once,
    a_fetch_goes_on_where_it_can_and_says_why_where_it_cannot,
    a_redirect_leads_to_web_servers_only_and_nothing_is_told_to_them,
    an_archive_at_a_url_is_unpacked_where_that_is_said,
    a_fetch_that_hangs_is_cancelled,
    a_git_repository_is_fetched_by_branch_tag_and_commit,
    what_is_no_server_is_no_git_repository,
    with_a_time_that_is_given_two_machines_build_the_same_bytes,
    a_time_counts_for_the_cache_and_may_be_any,
    files_go_into_a_directory_or_an_archive,
    an_image_that_goes_into_an_archive_is_not_kept,
    an_output_that_fails_leaves_what_was_there,
    a_check_that_is_to_be_an_error_is_one_before_anything_is_built,
    the_command_shows_checks_as_docker_does,
    a_dockerfile_of_ten_thousand_lines_is_built_or_refused_at_once,
    what_leads_in_a_circle_is_an_error,
    a_clean_up_takes_cache_mounts_that_no_step_has,
    a_clean_up_leaves_as_much_as_it_is_told,
    builds_keep_to_the_space_that_they_may_take,
    steps_go_into_a_directory_and_are_taken_from_there,
    steps_go_to_a_registry_and_are_taken_from_there,
    a_cache_that_is_damaged_or_not_there_only_costs_time,
);

fn context(sandbox: &Sandbox, files: &[(&str, &str)]) -> PathBuf {
    let path = sandbox.work().join("built");
    for (name, text) in files {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("make a directory");
        std::fs::write(file, text).expect("write a file");
    }
    path
}

fn request(context: &Path) -> ImageBuild {
    let context = Input { path: context.to_string_lossy().into_owned(), fd: None };
    ImageBuild { context, tags: vec!["built".into()], ..ImageBuild::default() }
}

fn next(stream: &mut Stream) -> Result<Option<String>, Error> {
    match stream.next(Deadline::after(Duration::from_secs(60)))? {
        Next::Item(Item::Document(text)) => Ok(Some(text)),
        Next::Item(Item::Chunk(_)) => panic!("a build has no chunks"),
        Next::Done => Ok(None),
        Next::TimedOut => panic!("nothing came for a minute"),
    }
}

/// What a build has ended with that was cancelled.
fn error_of(stream: &mut Stream) -> Error {
    loop {
        match next(stream) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled build has ended well"),
            Err(error) => return error,
        }
    }
}

fn line(text: &str) -> Option<Progress> {
    serde_json::from_str(text).ok().filter(|line: &Progress| line.step.is_some())
}

/// What became of each instruction that makes files: `RUN: Cached`.
fn told(lines: &[Progress]) -> Vec<String> {
    let ended = |line: &&Progress| !matches!(line.status.as_str(), "Step" | "Log");
    let told = |line: &Progress| {
        let name = &line.step.as_ref()?.name;
        let instruction = name.split_once("] ")?.1.split(' ').next()?.to_owned();
        Some(format!("{instruction}: {}", line.status))
    };
    lines.iter().filter(ended).filter_map(told).collect()
}

/// Build to the end: the lines, and the image's id or the error.
fn build(engine: &Engine, request: &ImageBuild) -> (Vec<Progress>, Result<String, Error>) {
    let mut lines = Vec::new();
    let mut id = String::new();
    let mut stream = engine.images().build(request).expect("a build begins");
    loop {
        match next(&mut stream) {
            Ok(Some(text)) => match line(&text) {
                Some(line) => lines.push(line),
                None => {
                    let built: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    id = built["Id"].as_str().expect("an id").to_owned();
                }
            },
            Ok(None) => return (lines, Ok(id)),
            Err(error) => return (lines, Err(error)),
        }
    }
}

fn built(engine: &Engine, request: &ImageBuild) -> (Vec<String>, String) {
    let (lines, id) = build(engine, request);
    (told(&lines), id.unwrap_or_else(|error| panic!("{error}: {lines:?}")))
}

/// What steps have written.
fn said(lines: &[Progress]) -> String {
    lines.iter().filter_map(|line| Some(line.step.as_ref()?.output.clone())).collect()
}

const COPIES: &str = "FROM testbox
COPY one /one
RUN [\"/testbox\", \"write\", \"/made\", \"x\"]
COPY two /two
";
