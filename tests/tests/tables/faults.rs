//! Every fault that was found here or collected elsewhere, and the test that shows that it is mended.

use tests::evidence::{self, Row};

/// Where the table is.
const TABLE: &str = "tests/FAULTS.rst";

const ABOUT: &str = "
Faults of queues, collected from what their users report, from reading this library end to end, and from killing it at random; each stands
for its kind. Beside it stands what shows that it is mended, or *open*. This file is written from
``tests/tests/tables/faults`` (``UPDATE_NOTES=1 cargo test -p tests --test tables``), and a test that is named here and gone fails the build.
";

#[test]
fn every_fault_has_its_evidence() {
    let rows: Vec<Row> = PARTS.iter().flat_map(|(_, rows)| *rows).copied().collect();
    assert_eq!(evidence::problems(&rows), [""; 0]);
    evidence::hold(TABLE, &evidence::table("Faults", ABOUT, &PARTS));
}

#[test]
fn no_fault_is_left_out() {
    let numbered = |prefix: &'static str, last: u32| (1..=last).map(move |number| format!("{prefix}{number}"));
    let expected = [numbered("A", 39), numbered("B", 10), numbered("C", 15), numbered("", 120)];
    for ((part, rows), expected) in PARTS.iter().zip(expected) {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, expected.collect::<Vec<_>>(), "{part}");
    }
}

const PARTS: [(&str, &[Row]); 4] = [
    ("Messages lost, doubled, stuck", LOST),
    ("Wrong or unclear words", WORDS),
    ("Right already, to stay so", RIGHT),
    ("Faults of the world around", CATALOGUE),
];

#[rustfmt::skip]
const LOST: &[Row] = &[
    Row { id: "A1", what: "The end of a run whose claim was lost counts, when its worker has fetched the message again", shown: &["common/src/worker/tests/twice.rs::a_run_whose_claim_was_lost_does_not_end_the_next_one", "common/src/worker/tests/twice.rs::what_is_fetched_once_more_was_lost_though_no_beat_has_told_so", "common/src/worker/tests/twice.rs::an_end_that_could_not_be_stored_does_not_end_the_next_run", "common/src/worker/tests/twice.rs::an_end_on_its_way_that_fails_once_its_claim_is_lost_is_not_tried_again", "tests/tests/death/paused.rs::the_end_of_a_run_that_was_lost_leaves_alone_the_second_one_of_the_same_worker", "tests/tests/model/broken.rs::a_run_whose_claim_was_lost_and_that_ends_the_next_one_is_caught", "common/src/worker/tests/twice.rs::an_end_on_its_way_that_is_refused_once_its_claim_is_lost_is_not_tried_again"], open: "" },
    Row { id: "A2", what: "What follows in Python's pipeline or group is gone when its first member runs in Rust", shown: &["tests/tests/results.rs::what_dramatiq_would_go_on_with_is_kept_unrun_for_it"], open: "composition; until then refused with the reason" },
    Row { id: "A3", what: "max_age and time_limit from Python are ignored", shown: &["common/src/worker/unsupported_options.rs::what_counts_for_nothing_is_told_from_what_counts"], open: "age and time limits; until then a warning" },
    Row { id: "A4", what: "A transfer that takes longer than a call's limit is cut and repeated for ever", shown: &["tests/tests/faults/slow.rs::a_large_message_takes_as_long_as_its_link_needs", "tests/tests/faults/slow.rs::many_messages_take_as_long_as_their_link_needs", "tests/tests/faults/slow.rs::what_takes_long_to_arrive_is_not_requeued_meanwhile", "tests/tests/faults/slow.rs::large_calls_that_come_at_once_each_take_as_long_as_a_tunnel_needs_for_both"], open: "" },
    Row { id: "A5", what: "A worker whose run() is dropped goes on for ever", shown: &["tests/tests/lifetimes/worker.rs::a_worker_whose_task_is_aborted_requeues_what_has_not_started_and_ends", "tests/tests/lifetimes/worker.rs::a_worker_that_loses_a_select_requeues_what_has_not_started_and_ends", "tests/tests/lifetimes/worker.rs::a_runtime_that_ends_takes_its_worker_along", "tests/tests/lifetimes/worker.rs::a_worker_ends_with_the_runtime_of_its_async_actors_though_its_future_lives", "tests/tests/leftovers.rs::a_worker_that_has_ended_leaves_no_thread_and_no_connection", "tests/tests/lifetimes/worker.rs::a_runtime_that_ends_amid_a_panic_takes_its_worker_along"], open: "" },
    Row { id: "A6", what: "A hook that panics takes its slot for ever", shown: &["common/tests/worker/hooks.rs::a_hook_that_panics_fails_its_message_and_nothing_else", "common/tests/worker/hooks.rs::a_hook_that_panics_while_sending_is_the_senders_error", "common/tests/worker/hooks.rs::what_an_actor_takes_and_returns_may_panic_as_well", "common/src/outcome/panics.rs::a_panic_is_a_failure_whatever_it_panics_with"], open: "" },
    Row { id: "A7", what: "An error that is its own source spins a slot for ever", shown: &["common/src/actor/returned.rs::an_error_without_end_is_told_all_the_same"], open: "" },
    Row { id: "A8", what: "A huge error text makes the retry too large, and goes to the log whole", shown: &["common/tests/worker/hooks.rs::a_long_error_is_cut_before_it_goes_anywhere", "common/src/outcome/text.rs::a_long_text_is_cut_at_a_character_and_says_how_much_is_left_out"], open: "" },
    Row { id: "A9", what: "max_retries that is no small whole number is ignored in silence", shown: &["common/tests/worker/runs.rs::a_messages_limit_of_retries_is_a_number_of_any_kind", "common/tests/worker/runs.rs::an_actor_or_a_message_may_be_retried_without_end", "common/src/worker/unsupported_options.rs::what_counts_for_nothing_is_told_from_what_counts"], open: "" },
    Row { id: "A10", what: "A result without a JSON form fails the actor and repeats its work", shown: &["common/tests/worker/told.rs::a_result_without_a_json_form_fails_only_where_somebody_wants_it_and_is_not_worked_for_again"], open: "" },
    Row { id: "A11", what: "NaN and infinity inside of an argument travel as null", shown: &["common/tests/worker/runs.rs::a_float_that_is_no_number_is_refused_where_it_could_not_travel", "common/src/message/floats.rs::a_float_that_is_no_number_is_found_wherever_it_stands"], open: "" },
    Row { id: "A12", what: "Infinity in a message kills the callback about it; a NaN result cannot be read", shown: &["tests/tests/results.rs::infinity_travels_through_options_arguments_and_callbacks", "common/tests/worker/told.rs::a_result_that_is_no_number_is_kept_and_read"], open: "" },
    Row { id: "A13", what: "A result's time to live beyond the server's range spoils every batch", shown: &["promise::a_result_is_kept_for_as_long_as_a_store_can", "promise::a_delay_beyond_all_time_is_kept_and_disturbs_nobody", "tests/tests/redis_store/rights.rs::a_result_that_is_refused_leaves_the_one_before_it"], open: "" },
    Row { id: "A14", what: "More than a thousand messages requeued at once lose their order", shown: &["promise::thousands_requeued_at_once_lie_at_the_head_in_order", "tests/tests/model/broken.rs::what_is_requeued_in_several_calls_is_caught", "tests/tests/outage/stops.rs::more_than_a_thousand_that_wait_go_back_in_their_order", "common/src/worker/tests/back.rs::what_comes_when_the_rest_goes_back_lies_behind_it", "common/src/worker/tests/back.rs::what_went_back_before_what_arrived_earlier_lies_behind_it"], open: "" },
    Row { id: "A15", what: "A dead worker is found late while many others are silent; virtual workers never go", shown: &["tests/tests/death/crowd.rs::all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds", "common/src/stores/redis/beat/peers.rs::all_are_looked_at_by_somebody", "tests/tests/sqlite/crowd.rs::all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds", "tests/tests/redis_store/crowds.rs::whatever_else_is_silent_a_dead_worker_is_found_at_once", "tests/tests/redis_store/crowds.rs::workers_that_are_left_share_the_dead"], open: "" },
    Row { id: "A16", what: "A suspect stops its whole worker; messages that never ran are blamed", shown: &["tests/tests/death/poison.rs::what_was_prefetched_is_never_blamed", "tests/tests/death/poison.rs::what_several_workers_died_with_costs_a_slot_and_starves_nobody", "promise::what_a_dead_worker_held_is_marked_and_not_counted", "promise::what_waited_when_its_worker_died_is_spared_once", "promise::a_death_counts_where_the_start_was_recorded", "promise::what_started_long_before_the_last_one_is_passed_over_once", "common/src/worker/tests/apart.rs::what_may_start_passes_a_suspect_that_may_not", "common/src/worker/tests/apart.rs::a_suspect_that_cannot_start_here_is_offered_before_the_next_beat_where_nothing_else_waits", "tests/tests/worker.rs::what_would_wait_behind_a_long_run_goes_to_whoever_is_free", "common/src/worker/tests/starts.rs::what_cannot_be_recorded_waits_holds_up_nothing_plain_and_runs_once_it_can", "common/src/worker/tests/starts.rs::a_start_that_is_recorded_twice_counts_as_one_when_its_worker_dies", "common/src/worker/tests/starts.rs::what_cannot_be_recorded_goes_back_with_the_stop_and_counts_for_nothing", "common/src/worker/tests/starts.rs::what_is_recorded_after_the_stop_goes_back_and_does_not_run", "common/src/worker/tests/starts.rs::what_was_lost_while_its_start_was_recorded_does_not_run_here"], open: "" },
    Row { id: "A17", what: "A promoted message is delayed again by Python", shown: &["tests/tests/wire/delayed.rs::what_rust_has_promoted_python_does_not_delay_once_more"], open: "" },
    Row { id: "A18", what: "A log that nobody reads hangs the slots and the stop", shown: &["tests/tests/command_line/unread.rs::a_worker_whose_log_nobody_reads_works_on_and_ends_when_it_is_told_to", "tests/tests/command_line/unread.rs::what_nobody_read_is_counted_where_it_is_missing", "tests/tests/command_line/unread.rs::in_a_log_that_is_read_nothing_is_missing", "tests/tests/command_line/unread.rs::a_log_that_can_not_be_written_stops_nobody"], open: "" },
    Row { id: "A19", what: "A closed terminal kills a worker", shown: &["tests/tests/command_line/signals.rs::a_closed_terminal_lets_what_runs_end_however_often_it_is_told", "tests/tests/command_line/signals.rs::signals_that_were_ignored_at_the_start_stay_ignored_and_sigterm_never_is", "tests/tests/watch.rs::a_closed_terminal_ends_the_watcher_and_its_worker_well"], open: "" },
    Row { id: "A20", what: "A prefetched low message runs before a high one sent later", shown: &[], open: "priorities among prefetched messages" },
    Row { id: "A21", what: "Guards against damage look beside a linked database file", shown: &["tests/tests/sqlite/links.rs::what_is_sent_by_the_name_of_a_link_is_heard_of_at_once", "tests/tests/sqlite/links.rs::a_file_that_was_cut_off_is_refused_by_the_name_of_a_link_too", "tests/tests/sqlite/links.rs::nothing_is_written_once_the_link_leads_elsewhere", "tests/tests/sqlite/links.rs::a_file_with_two_names_of_its_own_is_refused_by_both"], open: "" },
    Row { id: "A22", what: "A queue's name may be a key of the layout", shown: &["common/src/queue_name.rs::names_that_make_keys_of_the_layout_are_refused", "common/tests/worker/runs.rs::a_queue_cannot_have_a_name_that_is_taken", "tests/tests/redis_store/inspect.rs::a_queue_whose_name_is_taken_is_neither_listed_nor_touched"], open: "" },
    Row { id: "A23", what: "After a fork the child's send hangs", shown: &["tests/tests/lifetimes/forked.rs::a_forked_child_is_told_to_connect_anew_and_the_parent_goes_on"], open: "" },
    Row { id: "A24", what: "The last Rust worker that leaves keeps what is delayed from Python", shown: &["tests/tests/death/last.rs::what_the_last_worker_leaves_runs_in_python_at_its_time", "tests/tests/death/last.rs::a_python_worker_that_is_started_after_the_last_rust_worker_has_left_finds_everything", "tests/tests/death/last.rs::what_the_last_worker_was_killed_amid_handing_over_is_taken_in_by_the_next_rust_worker", "tests/tests/death/last.rs::what_the_last_worker_was_killed_amid_handing_over_is_taken_over_by_a_python_worker", "tests/tests/redis_store/handover.rs::a_server_that_may_not_be_written_amid_a_hand_over_loses_nothing_and_doubles_nothing", "tests/tests/redis_store/handover.rs::a_server_that_becomes_full_amid_a_hand_over_does_not_hold_it_up"], open: "" },
    Row { id: "A25", what: "A rolling deploy kills messages of an actor that old workers do not know", shown: &["tests/tests/worker.rs::a_rolling_deploy_kills_no_message_of_a_new_actor", "tests/tests/results.rs::python_runs_what_a_rust_worker_on_the_same_queue_does_not_know", "tests/tests/redis_store/waiting.rs::what_waits_for_its_actor_lies_where_python_looks_and_wakes_nobody", "tests/tests/results.rs::what_python_has_run_and_tries_again_waits_anew_for_a_worker_that_knows_it"], open: "" },
    Row { id: "A26", what: "A message whose workers died too often is dead without a word; the limit cannot be set", shown: &["common/src/worker/tests.rs::the_limit_of_deaths_is_the_actors_or_else_the_workers", "tests/tests/death/poison.rs::a_message_that_kills_its_workers_dies_alone"], open: "its hooks, callbacks and result" },
    Row { id: "A27", what: "Memory is quadratic in kept results and dead letters", shown: &["common/tests/memory_store.rs::results_dead_letters_and_cancelled_messages_take_no_longer_when_there_are_many"], open: "" },
    Row { id: "A28", what: "Options of Python that are not honoured are dropped without a word", shown: &["tests/tests/results.rs::what_dramatiq_would_go_on_with_is_kept_unrun_for_it", "common/src/worker/unsupported_options.rs::what_counts_for_nothing_is_told_from_what_counts"], open: "composition and limits; until then said" },
    Row { id: "A29", what: "Every message wakes every idle worker", shown: &["tests/tests/redis_store/fleet.rs::a_message_wakes_about_as_many_of_a_hundred_idle_workers_as_can_run_it", "tests/tests/redis_store/fleet.rs::messages_are_found_though_those_who_listened_are_dead_and_others_listen_then", "common/src/stores/shared/seats.rs::the_next_one_listens_when_one_has_something_and_other_queues_have_seats_of_their_own", "tests/tests/redis_store/fleet.rs::each_beat_of_a_hundred_idle_workers_is_a_sign_of_life_and_what_comes_due_is_seen", "tests/tests/redis_store/fleet.rs::a_worker_that_dies_among_a_hundred_idle_ones_is_found_as_fast_as_among_a_few"], open: "" },
    Row { id: "A30", what: "Upkeep and fetch of many queues hold the server", shown: &["tests/tests/redis_store/many.rs::a_worker_of_many_queues_claims_no_more_than_it_asked_for", "tests/tests/redis_store/many.rs::ten_thousand_queues_serve", "tests/tests/redis_store/many.rs::what_comes_due_in_one_of_ten_thousand_queues_is_moved_on_time", "tests/tests/redis_store/many.rs::no_script_does_much_however_many_queues_there_are", "common/src/stores/redis/candidates.rs::of_many_those_whose_turn_did_not_come_are_asked_the_next_time"], open: "" },
    Row { id: "A31", what: "Many processes on one file starve beats, and rob the living", shown: &["tests/tests/sqlite/crowd.rs::fifty_workers_run_each_message_once_and_all_of_them_stay_alive", "common/src/stores/sqlite/writer/tests.rs::another_writer_is_waited_for_and_beats_go_first"], open: "" },
    Row { id: "A32", what: "A clock that steps after connecting shifts all delays", shown: &["tests/tests/redis_store/clocks.rs::a_sender_whose_host_sets_its_clock_keeps_its_delays", "tests/tests/redis_store/clocks.rs::a_sender_learns_the_servers_time_by_sending", "common/src/clock.rs::one_answer_sets_right_a_machine_that_was_suspended"], open: "" },
    Row { id: "A33", what: "A stop gives up its last calls after a moment; an early signal ends the process", shown: &["tests/tests/outage/stops.rs::a_stop_waits_for_the_ends_of_runs_while_redis_stalls", "tests/tests/outage/stops.rs::a_stop_waits_for_the_ends_of_runs_while_redis_is_away", "tests/tests/outage/stops.rs::rolling_restarts_run_nothing_twice_though_redis_stalls", "tests/tests/command_line/signals.rs::a_worker_that_is_told_to_end_in_its_first_moment_ends_well", "tests/tests/command_line/signals.rs::a_worker_that_waits_for_its_database_ends_soon"], open: "" },
    Row { id: "A34", what: "After an outage, ends with large bodies go in one call that never gets through", shown: &["tests/tests/faults/slow.rs::large_retries_are_stored_part_by_part_after_an_outage", "common/src/stores/redis/finish.rs::a_part_is_bounded_by_number_and_by_bytes", "tests/tests/redis_store/completions.rs::however_large_what_is_ended_is_the_server_copies_a_few_megabytes_of_it_at_once"], open: "" },
    Row { id: "A35", what: "Connections killed under load let a few messages run twice", shown: &["tests/tests/faults/outages.rs::connections_may_be_killed_at_any_moment"], open: "" },
    Row { id: "A36", what: "A Python worker whose clock is ahead robs Rust's, unnamed", shown: &["tests/tests/death/clocks.rs::who_is_robbed_by_a_worker_whose_clock_is_ahead_names_it_once"], open: "" },
    Row { id: "A37", what: "A fetch brings one message of each queue, whatever their sizes", shown: &["tests/tests/redis_store/many.rs::one_fetch_brings_four_megabytes_of_all_queues_together_or_one_message", "promise::fetch_takes_no_more_than_was_wanted_of_all_queues_together", "tests/tests/faults/slow.rs::a_beat_passes_while_a_large_answer_is_on_its_way", "tests/tests/sqlite/batches.rs::one_fetch_brings_four_megabytes_of_all_queues_together_or_one_message", "common/src/stores/shared/shares.rs::what_has_no_room_waits_and_is_first_the_next_time"], open: "" },
    Row { id: "A38", what: "Far away, a dead worker's messages are never taken over", shown: &["tests/tests/death/far.rs::a_worker_far_away_is_found_dead_by_others_far_away", "common/src/stores/shared/liveness.rs::slow_looks_that_are_regular_count"], open: "" },
    Row { id: "A39", what: "After a full disk, messages of a file wait for a minute and more", shown: &["tests/tests/sqlite/full.rs::a_disk_that_was_full_and_freed_nine_times_holds_nothing_up", "tests/tests/sqlite/full.rs::the_log_leaves_room_on_a_small_disk_to_be_worked_in"], open: "" },
];

#[rustfmt::skip]
const WORDS: &[Row] = &[
    Row { id: "B1", what: "A password with special signs is half printed", shown: &["common/src/url.rs::no_sentence_shows_a_password", "tests/tests/command_line/secrets.rs::no_part_of_a_password_is_printed_whatever_the_url_looks_like", "tests/tests/command_line/secrets.rs::a_url_that_stands_in_the_wrong_place_is_printed_without_its_password", "tests/tests/command_line/secrets.rs::help_does_not_print_the_environment", "tests/tests/command_line/secrets.rs::a_password_with_any_sign_works_when_these_are_encoded"], open: "" },
    Row { id: "B2", what: "A broker's URL with a line break makes another database in silence", shown: &["tests/tests/command_line/secrets.rs::the_line_break_of_a_secret_file_changes_nothing", "tests/tests/command_line/secrets.rs::a_control_character_inside_of_a_url_is_refused_with_its_place", "tests/tests/command_line/secrets.rs::text_from_a_message_commands_no_terminal"], open: "" },
    Row { id: "B3", what: "A time zone that is unknown counts as UTC in silence", shown: &["tests/tests/command_line/typed.rs::a_time_of_day_is_refused_where_no_time_zone_is_known", "common/src/lab/time.rs::where_no_zone_is_known_only_times_with_their_offset_are", "common/src/lab/time.rs::who_types_a_time_of_day_is_told_its_offset"], open: "" },
    Row { id: "B4", what: "Some calls of a broker panic outside of tokio", shown: &["tests/tests/lifetimes/from_none.rs::every_call_of_a_broker_works_without_a_runtime", "tests/tests/lifetimes/from_none.rs::every_way_to_connect_works_without_a_runtime"], open: "" },
    Row { id: "B5", what: "--watch is deaf after its folder was replaced, and misnames the system's limit", shown: &["tests/tests/watch.rs::a_folder_that_is_replaced_is_watched_again", "tests/tests/watch.rs::a_source_that_is_a_link_is_watched_where_it_is", "common/src/stores/sqlite/watching.rs::a_limit_is_called_by_its_name"], open: "" },
    Row { id: "B6", what: "Wrong words about read-only file systems, the environment, and IPv6 addresses", shown: &["tests/tests/command_line/secrets.rs::a_variable_that_is_no_text_is_called_by_its_name", "tests/tests/command_line/secrets.rs::an_ipv6_address_is_shown_in_brackets", "tests/tests/sqlite/rights.rs::a_file_that_may_not_be_written_is_told_of"], open: "" },
    Row { id: "B7", what: "One warning is repeated with every beat; an expected error is a warning", shown: &["tests/tests/death/paused.rs::the_end_of_a_run_that_was_lost_leaves_alone_the_second_one_of_the_same_worker", "common/tests/worker/runs.rs::an_expected_error_is_not_retried", "tests/tests/faults/input.rs::an_error_that_an_actor_expects_dies_without_a_warning"], open: "" },
    Row { id: "B8", what: "No line says that messages are polled for", shown: &["tests/tests/faults/rights.rs::a_server_that_does_not_tell_of_messages_is_named_once_and_they_run"], open: "" },
    Row { id: "B9", what: "At INFO a failure names neither actor nor message", shown: &["tests/tests/command_line/json_log.rs::a_failure_names_its_actor_and_its_message_where_runs_are_not_logged", "common/src/lab/log.rs::every_line_of_a_run_has_its_slot_its_id_and_its_call"], open: "" },
    Row { id: "B10", what: "Words about a second Ctrl-C and about one delayed message", shown: &["tests/tests/command_line/stops.rs::a_second_ctrl_c_requeues_what_runs", "common/src/lab/inspect/admin.rs::one_message_and_several_are_told_in_english", "tests/tests/outage/stops.rs::a_second_signal_while_a_worker_deregisters_ends_it_and_says_nothing_of_what_it_holds"], open: "" },
];

#[rustfmt::skip]
const RIGHT: &[Row] = &[
    Row { id: "C1", what: "Kills, stops, forgotten scripts, pauses, restarts, a full server, mixed fleets: nothing is lost", shown: &["tests/tests/outage/restarts.rs::a_hundred_kills_lose_nothing_that_was_acknowledged", "tests/tests/model/redis.rs::redis_does_what_the_model_says", "tests/tests/sqlite/killed.rs::kills_lose_no_acknowledged_message_and_leave_no_half_batch", "tests/tests/wire/restart.rs::workers_of_both_sides_go_on_after_a_restart_and_after_everything_was_deleted"], open: "" },
    Row { id: "C2", what: "Rolling stops run each message exactly once", shown: &["tests/tests/outage/stops.rs::rolling_restarts_run_nothing_twice_though_redis_stalls"], open: "" },
    Row { id: "C3", what: "A million queued messages are drained in flat memory", shown: &["tests/tests/faults/bulk.rs::very_many_messages_are_drained_in_little_memory"], open: "" },
    Row { id: "C4", what: "Very many messages due at once are moved in steps", shown: &["tests/tests/faults/bulk.rs::very_many_that_are_due_at_once_are_moved_in_short_steps"], open: "" },
    Row { id: "C5", what: "Thousands of async slots run side by side", shown: &["common/tests/async_slots.rs::two_hundred_wait_side_by_side_on_a_few_threads"], open: "" },
    Row { id: "C6", what: "Hundreds of messages of 10 MB are run in little memory", shown: &["tests/tests/faults/input.rs::a_message_of_100_megabytes_dies_unread_and_large_ones_run_without_holding_up_anything"], open: "" },
    Row { id: "C7", what: "Odd priorities and delays from Python", shown: &["tests/tests/wire/odd.rs::odd_priorities_and_delays_of_pythons_run_all_the_same"], open: "" },
    Row { id: "C8", what: "Batches of none, of very many, and of large messages", shown: &["tests/tests/sqlite/batches.rs::batches_of_none_of_very_many_and_of_large_messages_are_stored", "tests/tests/redis_store/batches.rs::batches_of_none_of_very_many_and_of_large_messages_are_stored"], open: "" },
    Row { id: "C9", what: "Ids that are no UUIDs", shown: &["promise::any_text_is_an_id"], open: "" },
    Row { id: "C10", what: "VACUUM, backup and journal mode by hand", shown: &["tests/tests/sqlite/admin.rs::vacuum_and_backup_amid_work_harm_nothing", "tests/tests/sqlite/admin.rs::the_journal_mode_cannot_be_changed_amid_work_and_is_set_right_after_it"], open: "" },
    Row { id: "C11", what: "Any locale, and bytes that are no text", shown: &["tests/tests/command_line/surroundings.rs::any_locale_will_do", "tests/tests/command_line/surroundings.rs::bytes_that_are_no_text_are_a_wrong_argument"], open: "" },
    Row { id: "C12", what: "Closed file descriptors", shown: &["tests/tests/command_line/surroundings.rs::closed_descriptors_stop_nobody", "tests/tests/command_line/unread.rs::a_log_that_can_not_be_written_stops_nobody"], open: "" },
    Row { id: "C13", what: "A worker as process 1", shown: &["tests/tests/command_line/surroundings.rs::a_worker_that_is_process_one_stops_as_any_other"], open: "" },
    Row { id: "C14", what: "Editors that save by renaming", shown: &["common/src/lab/watch/files/tests.rs::a_change_is_told_once_it_is_over"], open: "" },
    Row { id: "C15", what: "A delay beyond all bounds", shown: &["promise::a_delay_beyond_all_time_is_kept_and_disturbs_nobody"], open: "" },
];

#[rustfmt::skip]
const CATALOGUE: &[Row] = &[
    Row { id: "1", what: "kill -9 while an actor runs", shown: &["tests/tests/death/killed.rs::a_worker_that_is_there_takes_over_within_five_seconds", "tests/tests/sqlite/killed.rs::the_message_of_a_killed_worker_runs_on_another_within_five_seconds"], open: "" },
    Row { id: "2", what: "kill -9 of the only worker, and a new one at once", shown: &["tests/tests/death/killed.rs::the_first_worker_after_it_takes_over_within_five_seconds"], open: "" },
    Row { id: "3", what: "kill -9 after an actor's work, before its acknowledgement", shown: &["promise::a_dead_workers_messages_come_back_to_the_head"], open: "" },
    Row { id: "4", what: "kill -9 between a retry and its acknowledgement", shown: &["tests/tests/model/broken.rs::a_retry_that_is_a_copy_and_then_an_acknowledgement_is_caught", "tests/tests/model/broken.rs::a_retry_whose_enqueueing_fails_and_that_is_acknowledged_all_the_same_is_caught"], open: "" },
    Row { id: "5", what: "kill -9 between a result and its acknowledgement", shown: &["promise::a_result_is_stored_with_the_end"], open: "" },
    Row { id: "6", what: "kill -9 between what follows a message and its acknowledgement", shown: &["promise::effects_happen_with_the_end", "tests/tests/redis_store/completions.rs::effects_happen_with_the_completion_or_not_at_all"], open: "" },
    Row { id: "7", what: "kill -9 while a delayed message becomes ready", shown: &["tests/tests/model/broken.rs::a_promotion_that_is_a_copy_and_then_an_acknowledgement_is_caught"], open: "" },
    Row { id: "8", what: "kill -9 during a graceful stop", shown: &[], open: "a kill in the middle of requeueing" },
    Row { id: "9", what: "SIGTERM while busy", shown: &["tests/tests/command_line/stops.rs::sigterm_lets_what_runs_end", "tests/tests/outage/stops.rs::a_signal_requeues_what_waits_in_order_before_what_runs_has_ended", "tests/tests/sqlite/deregistering.rs::a_beat_that_is_under_way_does_not_bring_back_a_worker_that_leaves"], open: "" },
    Row { id: "10", what: "several signals, of several kinds", shown: &["tests/tests/outage/stops.rs::a_second_signal_requeues_everything", "tests/tests/outage/stops.rs::a_third_signal_waits_for_nobody"], open: "" },
    Row { id: "11", what: "a signal during the start, or while the broker is away", shown: &["tests/tests/outage/stops.rs::a_signal_during_the_start_leaves_nothing_behind", "tests/tests/command_line/stops.rs::a_worker_that_has_no_broker_yet_ends_soon_after_ctrl_c", "tests/tests/command_line/stops.rs::a_worker_whose_redis_has_gone_ends_soon_after_ctrl_c"], open: "" },
    Row { id: "12", what: "stopped for longer than its time, then woken", shown: &["tests/tests/death/paused.rs::a_worker_paused_for_too_long_drops_what_it_ran_and_goes_on"], open: "" },
    Row { id: "13", what: "stopped for less", shown: &["tests/tests/death/paused.rs::a_worker_paused_for_less_is_not_robbed"], open: "" },
    Row { id: "14", what: "an actor panics", shown: &["common/tests/worker/runs.rs::a_panic_is_a_failure_and_the_slot_lives_on"], open: "" },
    Row { id: "15", what: "a panic inside of a panic, or where panics abort", shown: &[], open: "a test with a program of its own" },
    Row { id: "16", what: "a panic without words, or in a hook", shown: &["common/tests/worker/hooks.rs::a_hook_that_panics_fails_its_message_and_nothing_else", "common/src/outcome/panics.rs::a_panic_is_a_failure_whatever_it_panics_with"], open: "" },
    Row { id: "17", what: "a stack overflow in an actor", shown: &[], open: "a test with a real overflow" },
    Row { id: "18", what: "the system kills a worker for its memory", shown: &[], open: "a test with a limited container" },
    Row { id: "19", what: "an allocation fails", shown: &[], open: "a test with a limited process" },
    Row { id: "20", what: "a message kills every worker that takes it", shown: &["tests/tests/death/poison.rs::a_message_that_kills_its_workers_dies_alone", "promise::what_is_put_off_without_a_run_keeps_what_is_known_of_deaths", "common/src/worker/tests.rs::what_passes_a_worker_that_does_not_know_its_actor_keeps_its_deaths"], open: "" },
    Row { id: "21", what: "an async actor that never yields", shown: &["tests/tests/worker.rs::nothing_that_an_actor_does_stops_the_beat"], open: "the time limit that says so and replaces the slot" },
    Row { id: "22", what: "an actor that ignores the end", shown: &["common/tests/worker/stops.rs::a_second_stop_requeues_what_runs_and_waits_for_nothing", "common/tests/worker/stops.rs::the_shutdown_timeout_ends_the_waiting"], open: "" },
    Row { id: "23", what: "an actor that runs for longer than a silent worker is given", shown: &["tests/tests/death/paused.rs::a_worker_whose_slots_all_spin_is_not_robbed", "tests/tests/wire/statements/workers.rs::a_rust_worker_that_is_busy_for_long_is_not_robbed_by_python"], open: "" },
    Row { id: "24", what: "an actor ends the process", shown: &[], open: "a test of its own" },
    Row { id: "25", what: "file descriptors run out", shown: &[], open: "a test with a limited process" },
    Row { id: "26", what: "a thread cannot be started", shown: &[], open: "a test with a limited process" },
    Row { id: "27", what: "an actor's child processes outlive its worker", shown: &[], open: "a sentence in the docs" },
    Row { id: "28", what: "two workers of one id", shown: &["docs::common/src/store/claims.rs::random, new at each start, never configured"], open: "" },
    Row { id: "29", what: "a fork after the start", shown: &["tests/tests/lifetimes/forked.rs::a_forked_child_is_told_to_connect_anew_and_the_parent_goes_on"], open: "" },
    Row { id: "30", what: "nobody reads the log, or its pipe is closed", shown: &["tests/tests/command_line/unread.rs::a_worker_whose_log_nobody_reads_works_on_and_ends_when_it_is_told_to", "tests/tests/command_line/unread.rs::a_log_that_can_not_be_written_stops_nobody"], open: "" },
    Row { id: "31", what: "Redis killed and restarted, all kept", shown: &["tests/tests/faults/outages.rs::a_server_that_keeps_everything_may_be_killed_while_a_message_runs", "tests/tests/outage/restarts.rs::a_hundred_kills_lose_nothing_that_was_acknowledged"], open: "" },
    Row { id: "32", what: "Redis restarted, some or all lost", shown: &["tests/tests/faults/outages.rs::workers_go_on_after_a_server_that_comes_back_empty"], open: "with the newest seconds lost" },
    Row { id: "33", what: "Redis restarted with messages that had ended", shown: &[], open: "a restart from an old dump" },
    Row { id: "34", what: "an append-only file without its end", shown: &[], open: "a test of its own" },
    Row { id: "35", what: "FLUSHALL under running workers", shown: &["tests/tests/faults/outages.rs::workers_outlive_a_flushall_and_go_on", "tests/tests/wire/restart.rs::workers_of_both_sides_go_on_after_a_restart_and_after_everything_was_deleted"], open: "" },
    Row { id: "36", what: "the server forgets scripts", shown: &["tests/tests/faults/outages.rs::scripts_that_are_forgotten_again_and_again_are_learnt_again"], open: "" },
    Row { id: "37", what: "the server is full", shown: &["tests/tests/faults/full.rs::a_full_redis_refuses_whole_batches_and_is_drained_by_every_completion", "tests/tests/faults/full.rs::a_worker_can_start_on_a_full_redis_and_drain_it"], open: "" },
    Row { id: "38", what: "the server evicts bodies", shown: &["tests/tests/faults/ghosts.rs::ids_without_bodies_go_and_bodies_without_ids_stay"], open: "a warning about the policy at start" },
    Row { id: "39", what: "the server cannot write to its disk", shown: &[], open: "a container with a small disk" },
    Row { id: "40", what: "the master became a replica", shown: &["tests/tests/faults/outages.rs::a_server_that_became_a_replica_is_left_and_work_goes_on_when_it_is_a_master_again"], open: "" },
    Row { id: "41", what: "a failover by Sentinel", shown: &[], open: "Sentinel" },
    Row { id: "42", what: "a split in which the old master takes writes", shown: &[], open: "Sentinel" },
    Row { id: "43", what: "a server that loads, lacks replicas or its master", shown: &[], open: "a test of each answer" },
    Row { id: "44", what: "somebody's script holds the server", shown: &["tests/tests/faults/outages.rs::a_server_that_is_held_up_by_somebodys_script_is_waited_for"], open: "" },
    Row { id: "45", what: "our script is killed", shown: &[], open: "a test of its own" },
    Row { id: "46", what: "a slow server", shown: &["tests/tests/death/far.rs::a_worker_far_away_is_found_dead_by_others_far_away", "tests/tests/redis_store/upkeep.rs::a_pause_of_the_whole_fleet_kills_nobody"], open: "" },
    Row { id: "47", what: "a wrong password, a command that is not allowed", shown: &["tests/tests/redis_store/rights.rs::a_wrong_password_is_no_outage_and_is_not_shown", "tests/tests/faults/rights.rs::a_command_that_is_taken_away_is_named_with_its_key_and_nothing_is_lost"], open: "" },
    Row { id: "48", what: "the server takes nobody in", shown: &["tests/tests/faults/outages.rs::a_server_that_takes_nobody_in_serves_who_is_there_and_is_tried_again"], open: "" },
    Row { id: "49", what: "a foreign key where ours should be", shown: &["tests/tests/faults/foreign.rs::a_foreign_key_is_named_and_stops_only_what_needs_it_until_it_is_gone"], open: "" },
    Row { id: "50", what: "an unknown server or version", shown: &[], open: "a check at start" },
    Row { id: "51", what: "a cluster", shown: &[], open: "clusters" },
    Row { id: "52", what: "a connection is closed by the server", shown: &["tests/tests/faults/outages.rs::connections_may_be_killed_at_any_moment"], open: "" },
    Row { id: "53", what: "news are lost together with their connection", shown: &["tests/tests/redis_store/waiting.rs::killed_connections_end_a_wait_and_are_made_anew", "promise::a_beat_tells_that_something_is_ready"], open: "" },
    Row { id: "54", what: "a half-open connection", shown: &["tests/tests/outage/outages.rs::a_connection_that_died_silently_is_given_up", "tests/tests/outage/outages.rs::a_worker_that_only_waits_notices_that_its_connections_died_silently"], open: "" },
    Row { id: "55", what: "the answer of a fetch is lost", shown: &["promise::what_a_lost_answer_has_claimed_comes_back", "tests/tests/faults/late.rs::a_fetch_that_arrives_while_its_worker_lives_is_requeued_by_a_beat"], open: "" },
    Row { id: "56", what: "the answer of an enqueue is lost", shown: &["promise::the_same_message_sent_twice_is_stored_once", "tests/tests/faults/late.rs::a_message_that_was_sent_again_is_stored_once_when_the_first_arrives_late"], open: "" },
    Row { id: "57", what: "the answer of an end is lost", shown: &["promise::an_end_that_is_repeated_is_unknown", "common/src/worker/tests/unanswered.rs::an_end_that_is_stored_and_not_answered_is_no_loss_though_a_beat_finds_it_gone"], open: "" },
    Row { id: "58", what: "a connection is cut in the middle of a request", shown: &[], open: "a cut after each number of bytes" },
    Row { id: "59", what: "corrupt bytes in an answer", shown: &[], open: "a test of its own" },
    Row { id: "60", what: "the server's address changes", shown: &["tests/tests/outage/outages.rs::a_redis_at_a_new_address_is_found_behind_the_old_one"], open: "a name that resolves anew" },
    Row { id: "61", what: "all workers come back at once", shown: &[], open: "connections counted after an outage" },
    Row { id: "62", what: "TLS with wrong certificates", shown: &[], open: "TLS" },
    Row { id: "63", what: "a worker is cut off while its actors run on", shown: &["tests/tests/faults/late.rs::an_end_that_arrives_after_a_take_over_changes_nothing"], open: "" },
    Row { id: "64", what: "requests arrive, answers come late", shown: &["tests/tests/outage/outages.rs::what_was_held_up_on_the_way_does_no_harm_when_it_arrives_after_all"], open: "" },
    Row { id: "65", what: "localhost by two protocols, a missing socket", shown: &[], open: "a test of its own" },
    Row { id: "66", what: "a worker's clock jumps by a day", shown: &["tests/tests/death/paused.rs::workers_with_wrong_clocks_rob_nobody_and_are_not_robbed"], open: "" },
    Row { id: "67", what: "clocks that differ from the start", shown: &["tests/tests/death/paused.rs::workers_with_wrong_clocks_rob_nobody_and_are_not_robbed", "tests/tests/wire/interleavings/upkeep.rs::a_python_whose_clock_is_behind_is_not_taken_for_dead_and_robs_nobody"], open: "" },
    Row { id: "68", what: "the server's clock jumps", shown: &["promise::looks_that_come_late_find_nobody_dead", "common/src/stores/shared/liveness.rs::late_looks_add_nothing_and_do_not_start_anew"], open: "" },
    Row { id: "69", what: "a machine is suspended and woken", shown: &["tests/tests/death/paused.rs::an_idle_worker_paused_for_too_long_wakes_to_what_came_meanwhile"], open: "" },
    Row { id: "70", what: "summer time, leap days, impossible dates in schedules", shown: &[], open: "schedules" },
    Row { id: "71", what: "a schedule on two hosts", shown: &[], open: "schedules" },
    Row { id: "72", what: "delays and etas of any form", shown: &["common/src/message/number.rs::milliseconds_are_read_from_whatever_number_it_is", "common/src/message/wire.rs::a_bad_eta_is_the_present", "promise::a_delay_that_is_over_is_none"], open: "" },
    Row { id: "73", what: "a message's age limit passes while it waits", shown: &[], open: "age limits" },
    Row { id: "74", what: "bytes that are no JSON", shown: &["tests/tests/faults/input.rs::bytes_that_are_no_message_die_one_by_one_with_their_reasons", "common/tests/message_properties.rs::no_bytes_are_too_strange_to_be_looked_at"], open: "" },
    Row { id: "75", what: "JSON of another shape", shown: &["tests/tests/wire/corpus.rs::what_python_reads_is_read_or_refused_with_a_reason"], open: "" },
    Row { id: "76", what: "an id without a body", shown: &["tests/tests/faults/ghosts.rs::ids_without_bodies_go_and_bodies_without_ids_stay", "tests/tests/wire/statements/places.rs::an_id_without_a_body_holds_nobody_up_and_is_forgotten"], open: "" },
    Row { id: "77", what: "a body without an id", shown: &["tests/tests/faults/ghosts.rs::ids_without_bodies_go_and_bodies_without_ids_stay"], open: "a command that finds it" },
    Row { id: "78", what: "an id twice in a list", shown: &["tests/tests/faults/ghosts.rs::an_id_that_is_listed_twice_runs_once_in_one_worker", "tests/tests/faults/ghosts.rs::of_an_id_in_two_workers_only_the_first_end_has_effects"], open: "" },
    Row { id: "79", what: "two messages of one id", shown: &["promise::another_message_of_the_same_id_is_kept_beside_it"], open: "the report of it" },
    Row { id: "80", what: "an actor that nobody knows", shown: &["tests/tests/worker.rs::a_rolling_deploy_kills_no_message_of_a_new_actor"], open: "" },
    Row { id: "81", what: "arguments that do not fit", shown: &["tests/tests/faults/input.rs::a_message_with_wrong_arguments_dies_alone", "common/src/actor/arguments.rs::what_does_not_fit_is_named"], open: "" },
    Row { id: "82", what: "numbers at the edge", shown: &["tests/tests/wire/statements/bodies.rs::numbers_and_texts_that_rust_has_no_type_for_run_or_die_with_a_reason", "common/src/message/loose.rs::bare_words_are_floats_wherever_they_stand"], open: "" },
    Row { id: "83", what: "strange signs in names and arguments", shown: &["common/src/queue_name.rs::dramatiqs_rule_decides", "tests/tests/inspect/python.rs::an_id_commands_no_terminal"], open: "" },
    Row { id: "84", what: "messages of 100 MB", shown: &["tests/tests/faults/input.rs::a_message_of_100_megabytes_dies_unread_and_large_ones_run_without_holding_up_anything"], open: "" },
    Row { id: "85", what: "JSON nested beyond reason", shown: &["tests/tests/faults/input.rs::an_argument_nested_beyond_reason_dies_alone"], open: "" },
    Row { id: "86", what: "a million small items in one message", shown: &[], open: "a bound of memory" },
    Row { id: "87", what: "options that only Python knows", shown: &["tests/tests/wire/statements/bodies.rs::options_that_only_python_understands_outlive_a_retry_by_rust"], open: "" },
    Row { id: "88", what: "a message of another encoder", shown: &["tests/tests/faults/input.rs::bytes_that_are_no_message_die_one_by_one_with_their_reasons"], open: "a hint at the encoder" },
    Row { id: "89", what: "a number of retries that is none", shown: &["common/tests/worker/runs.rs::a_messages_limit_of_retries_is_a_number_of_any_kind"], open: "" },
    Row { id: "90", what: "secrets in arguments", shown: &[], open: "a log without them" },
    Row { id: "91", what: "millions of queued messages", shown: &["tests/tests/faults/bulk.rs::very_many_messages_are_drained_in_little_memory"], open: "" },
    Row { id: "92", what: "a million delayed messages", shown: &["tests/tests/faults/bulk.rs::very_many_that_are_due_at_once_are_moved_in_short_steps"], open: "" },
    Row { id: "93", what: "10,000 queues, 1,000 silent workers", shown: &["tests/tests/death/crowd.rs::all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds", "tests/tests/redis_store/many.rs::ten_thousand_queues_serve", "tests/tests/sqlite/crowd.rs::all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds"], open: "" },
    Row { id: "94", what: "a dead worker with very many claims", shown: &["tests/tests/redis_store/upkeep.rs::more_than_fits_one_call_is_moved_in_one_beat", "tests/tests/redis_store/upkeep.rs::a_dead_python_worker_that_held_more_than_one_beat_moves_is_relieved_of_the_rest_by_the_next_one"], open: "" },
    Row { id: "95", what: "all fail at once", shown: &["common/src/backoff.rs::every_wait_lies_inside_its_window"], open: "" },
    Row { id: "96", what: "senders that are faster than workers", shown: &[], open: "a limit that refuses" },
    Row { id: "97", what: "more than a script can unpack", shown: &["tests/tests/redis_store/places.rs::a_thousand_and_some_messages_go_in_chunks"], open: "" },
    Row { id: "98", what: "an idle fleet's commands", shown: &["tests/tests/worker.rs::an_idle_worker_hardly_calls_and_is_woken_at_once"], open: "" },
    Row { id: "99", what: "one noisy queue", shown: &[], open: "weights" },
    Row { id: "100", what: "beats while all cores are busy", shown: &["tests/tests/death/paused.rs::a_worker_whose_slots_all_spin_is_not_robbed"], open: "" },
    Row { id: "101", what: "SQLite: kill -9 in a transaction", shown: &["tests/tests/sqlite/killed.rs::kills_lose_no_acknowledged_message_and_leave_no_half_batch"], open: "" },
    Row { id: "102", what: "SQLite: a full disk", shown: &["tests/tests/sqlite/full.rs::a_send_without_room_is_refused_and_works_once_there_is_some", "tests/tests/sqlite/full.rs::a_worker_keeps_what_it_finished_without_room_and_runs_nothing_twice"], open: "" },
    Row { id: "103", what: "SQLite: a damaged or cut file", shown: &["tests/tests/sqlite/damaged.rs::a_garbled_header_is_refused", "tests/tests/sqlite/damaged.rs::a_garbled_page_is_refused", "tests/tests/sqlite/damaged.rs::a_file_that_was_cut_off_is_refused", "tests/tests/sqlite/damaged.rs::an_empty_file_beside_a_log_is_refused"], open: "" },
    Row { id: "104", what: "SQLite: files deleted, moved or replaced while open", shown: &["tests/tests/sqlite/moved.rs::nothing_is_written_once_the_log_is_deleted", "tests/tests/sqlite/moved.rs::nothing_is_written_to_a_database_that_has_taken_the_place"], open: "" },
    Row { id: "105", what: "SQLite: files of somebody else, or read-only", shown: &["tests/tests/sqlite/rights.rs::a_file_that_may_not_be_written_is_told_of", "tests/tests/sqlite/rights.rs::the_log_of_another_user_is_told_of"], open: "" },
    Row { id: "106", what: "SQLite: a stopped process holds the lock", shown: &["tests/tests/sqlite/locked.rs::a_send_says_for_how_long_another_has_held_the_lock", "tests/tests/sqlite/locked.rs::a_worker_goes_on_once_the_lock_is_released"], open: "" },
    Row { id: "107", what: "SQLite: a reader lets the log grow", shown: &["tests/tests/sqlite/locked.rs::a_reader_that_lets_the_log_grow_is_told_of"], open: "" },
    Row { id: "108", what: "SQLite: the bell is lost", shown: &["tests/tests/sqlite/bell.rs::a_deleted_bell_delays_one_message_and_is_hung_up_again", "common/src/stores/sqlite/bell.rs::who_cannot_watch_can_still_ring"], open: "" },
    Row { id: "109", what: "SQLite: a network file system", shown: &["docs::common/src/stores/sqlite.rs::SQLite cannot lock a network file system"], open: "" },
    Row { id: "110", what: "SQLite: other versions of the file", shown: &["tests/tests/sqlite/versions.rs::a_newer_version_is_refused", "tests/tests/sqlite/versions.rs::processes_that_make_the_same_file_at_once_all_succeed", "tests/tests/sqlite/versions.rs::a_database_of_the_first_version_is_brought_up_to_date_with_all_its_messages"], open: "" },
    Row { id: "111", what: "SQLite: a power cut", shown: &["tests/tests/sqlite/power.rs::files_copied_at_any_moment_hold_all_that_was_acknowledged", "tests/tests/sqlite/power.rs::a_log_without_its_end_holds_a_prefix"], open: "" },
    Row { id: "112", what: "a wrong URL or option", shown: &["tests/tests/command_line/brokers.rs::a_url_of_no_broker_is_refused_by_the_part_that_is_wrong", "common/src/url.rs::what_is_wrong_is_named"], open: "" },
    Row { id: "113", what: "settings out of bounds", shown: &["common/tests/worker/runs.rs::mistakes_are_found_before_the_first_message"], open: "" },
    Row { id: "114", what: "a queue without a worker", shown: &["tests/tests/inspect/sent.rs::where_all_workers_tell_their_queues_one_of_the_right_queue_is_missed"], open: "" },
    Row { id: "115", what: "keys deleted by hand", shown: &["tests/tests/wire/interleavings/upkeep.rs::everything_is_deleted_while_both_hold_something_and_both_go_on", "tests/tests/redis_store/interleavings.rs::a_lost_index_is_rebuilt_from_the_claims"], open: "" },
    Row { id: "116", what: "a rolling deploy", shown: &["tests/tests/worker.rs::a_rolling_deploy_kills_no_message_of_a_new_actor", "tests/tests/results.rs::python_runs_what_a_rust_worker_on_the_same_queue_does_not_know"], open: "" },
    Row { id: "117", what: "two languages on one queue, one of them dies", shown: &["tests/tests/death/both_languages.rs::a_python_worker_alone_takes_over_everything_of_a_killed_rust_worker", "tests/tests/death/both_languages.rs::a_rust_worker_takes_over_from_a_killed_python_worker_after_its_minute"], open: "" },
    Row { id: "118", what: "dead letters are moved while workers run", shown: &["promise::a_requeued_dead_letter_is_a_ready_message_under_a_new_name", "promise::a_purge_deletes_what_waits_and_nothing_else"], open: "" },
    Row { id: "119", what: "where results or metrics are kept is away", shown: &[], open: "a place of their own for results" },
    Row { id: "120", what: "a hook that takes half a minute", shown: &[], open: "a bound" },
];
