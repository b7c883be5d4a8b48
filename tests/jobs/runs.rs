//! What becomes of a job.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use streamspace::{
    domain::jobs::{LOSSES, Status},
    jobs::{self, Failure, New},
    store,
};

use crate::world::{Door, Tally, World, does, nothing, quick, result, until, waits};

#[tokio::test]
async fn a_job_is_done_and_its_result_progress_and_log_can_be_read() {
    let world = World::new().await;
    let _replica = world.replica(
        vec![does("greet", async |run| {
            let name: String = run.payload()?;
            run.info(format!("greeting {name}"));
            run.progress(1, Some(2), "greeting");
            result(&name)
        })],
        quick(),
    );
    let job = world.add(&New { payload: "alice".into(), ..jobs::new("greet", "person/alice") }).await;
    assert!(job.id.starts_with("job_") && job.id.len() == 30, "{}", job.id);
    let done = world.until(&job.id, Status::Succeeded).await;
    assert_eq!((done.attempt, &done.result.unwrap()["of"]), (1, &"alice".into()));
    assert_eq!(done.progress.unwrap().message, "greeting");
    assert!(done.started_at.is_some() && done.finished_at >= done.started_at);
    assert_eq!(world.log(&job.id).await, ["greeting alice"]);
}

#[tokio::test]
async fn a_job_exists_only_if_its_transaction_commits() {
    let world = World::new().await;
    let mut client = world.pool().get().await.unwrap();
    for commit in [false, true] {
        let transaction = client.transaction().await.unwrap();
        let (job, _) = jobs::enqueue(&transaction, &jobs::new("greet", "x")).await.unwrap();
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let found = store::jobs::get(&client, &job.id).await.unwrap();
        assert_eq!(found.is_some(), commit);
    }
}

#[tokio::test]
async fn a_job_that_fails_is_tried_three_times_and_is_then_a_dead_letter_that_can_be_driven_again() {
    let world = World::new().await;
    let (tally, healed) = (Tally::default(), Arc::new(Mutex::new(false)));
    let (counting, health) = (tally.clone(), Arc::clone(&healed));
    let _replica = world.replica(
        vec![does("fragile", move |_| {
            let (tally, healed) = (counting.clone(), *health.lock().unwrap());
            async move {
                tally.add("tried");
                if healed { nothing() } else { Err(Failure::Again("it broke".into())) }
            }
        })],
        quick(),
    );
    let job = world.enqueue("fragile", "x").await;
    let dead = world.until(&job.id, Status::Dead).await;
    assert_eq!((dead.attempt, dead.error.as_deref(), tally.of("tried")), (3, Some("it broke"), 3));
    *healed.lock().unwrap() = true;
    let db = world.pool().get().await.unwrap();
    let again = store::jobs::drive_again(&db, &job.id).await.unwrap().unwrap();
    assert_eq!((again.attempt, again.error), (0, None));
    let done = world.until(&job.id, Status::Succeeded).await;
    assert_eq!(done.attempt, 1);
    assert!(store::jobs::drive_again(&db, &job.id).await.unwrap().is_none(), "it has succeeded");
}

#[tokio::test]
async fn a_failure_that_another_attempt_would_not_mend_is_not_tried_again() {
    let world = World::new().await;
    let _replica =
        world.replica(vec![does("hopeless", async |_| Err(Failure::Final("there is no such thing".into())))], quick());
    let failed = world.enqueue("hopeless", "x").await;
    let failed = world.until(&failed.id, Status::Failed).await;
    assert_eq!((failed.attempt, failed.error.as_deref()), (1, Some("there is no such thing")));
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_job_an_attempt_and_nobody_else_anything() {
    let world = World::new().await;
    let handlers = vec![does("panics", async |_| panic!("on purpose")), does("fine", async |_| nothing())];
    let _replica = world.replica(handlers, quick());
    let (bad, good) = (world.enqueue("panics", "x").await, world.enqueue("fine", "y").await);
    world.until(&good.id, Status::Succeeded).await;
    let dead = world.until(&bad.id, Status::Dead).await;
    assert_eq!(dead.attempt, 3);
    let after = world.enqueue("fine", "x").await;
    world.until(&after.id, Status::Succeeded).await;
}

#[tokio::test]
async fn jobs_of_one_target_run_one_after_the_other_in_their_order_and_those_of_others_meanwhile() {
    let world = World::new().await;
    let (order, door) = (Arc::new(Mutex::new(Vec::new())), Door::default());
    let (noting, waiting) = (Arc::clone(&order), door.clone());
    let handler = does("step", move |run| {
        let (order, door) = (Arc::clone(&noting), waiting.clone());
        async move {
            order.lock().unwrap().push(run.job().id.clone());
            if run.job().target == "slow" {
                door.pass().await;
            }
            nothing()
        }
    });
    let _replicas = [world.replica(vec![handler.clone()], quick()), world.replica(vec![handler], quick())];
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(world.enqueue("step", "slow").await.id);
    }
    for place in 1..=3 {
        until("the next one of the slow target begins", async || (door.arrived() == place).then_some(())).await;
        let other = world.enqueue("step", &format!("other/{place}")).await;
        world.until(&other.id, Status::Succeeded).await;
        assert_eq!(door.arrived(), place, "the one before it has not ended");
        door.open();
    }
    world.until(&slow[2], Status::Succeeded).await;
    let began: Vec<String> = order.lock().unwrap().iter().filter(|id| slow.contains(id)).cloned().collect();
    assert_eq!(began, slow);
}

#[tokio::test]
async fn a_failed_job_of_a_target_is_retried_before_the_next_one_of_it_begins() {
    let world = World::new().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&order);
    let handler = does("step", move |run| {
        let order = Arc::clone(&noting);
        async move {
            order.lock().unwrap().push((run.payload::<String>()?, run.job().attempt));
            if run.job().attempt == 1 && run.payload::<String>()? == "first" {
                return Err(Failure::Again("not yet".into()));
            }
            nothing()
        }
    });
    let add = async |name: &str| world.add(&New { payload: name.into(), ..jobs::new("step", "x") }).await;
    let (_, second) = (add("first").await, add("second").await);
    let _replica = world.replica(vec![handler], quick());
    world.until(&second.id, Status::Succeeded).await;
    let order: Vec<_> = order.lock().unwrap().iter().map(|(name, attempt)| format!("{name} {attempt}")).collect();
    assert_eq!(order, ["first 1", "first 2", "second 1"]);
}

#[tokio::test]
async fn what_collapses_is_one_job_until_a_worker_takes_it() {
    let world = World::new().await;
    let sync = New { collapsible: true, ..jobs::new("sync", "repository/1") };
    let (first, same) = (world.add(&sync).await, world.add(&sync).await);
    assert_eq!(first.id, same.id);
    let other = world.add(&New { collapsible: true, ..jobs::new("sync", "repository/2") }).await;
    assert_ne!(first.id, other.id);
    let door = Door::default();
    let waiting = door.clone();
    let _replica = world.replica(
        vec![does("sync", move |run| {
            let door = waiting.clone();
            async move {
                if run.job().target == "repository/1" {
                    door.pass().await;
                }
                nothing()
            }
        })],
        quick(),
    );
    world.until(&first.id, Status::Running).await;
    let next = world.add(&sync).await;
    assert_ne!(next.id, first.id, "what came to pass since it began may be news to it");
    door.open();
    world.until(&first.id, Status::Succeeded).await;
    door.open();
    world.until(&next.id, Status::Succeeded).await;
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once_and_one_that_runs_is_asked_to_stop() {
    let world = World::new().await;
    let _replica = world.replica(
        vec![does("patient", async |run| {
            run.stopping().cancelled().await;
            Err(Failure::Stopped)
        })],
        quick(),
    );
    let (running, waiting) = (world.enqueue("patient", "x").await, world.enqueue("patient", "x").await);
    world.until(&running.id, Status::Running).await;
    let db = world.pool().get().await.unwrap();
    let cancelled = store::jobs::cancel(&db, &waiting.id).await.unwrap().unwrap();
    assert_eq!(cancelled.status, Status::Cancelled);
    assert_eq!(world.job(&running.id).await.status, Status::Running, "only the one that was meant");
    let asked = store::jobs::cancel(&db, &running.id).await.unwrap().unwrap();
    assert!(asked.status == Status::Running && asked.cancel_requested);
    world.until(&running.id, Status::Cancelled).await;
    assert!(store::jobs::cancel(&db, &running.id).await.unwrap().is_none(), "it has ended");
}

#[tokio::test]
async fn a_handler_that_does_not_stop_when_asked_is_cut_off() {
    let world = World::new().await;
    let _replica = world.replica(vec![does("deaf", async |_| std::future::pending().await)], quick());
    let job = world.enqueue("deaf", "x").await;
    world.until(&job.id, Status::Running).await;
    store::jobs::cancel(&world.pool().get().await.unwrap(), &job.id).await.unwrap().unwrap();
    world.until(&job.id, Status::Cancelled).await;
}

#[tokio::test]
async fn a_server_that_stops_hands_its_jobs_back_and_the_attempt_does_not_count() {
    let world = World::new().await;
    let door = Door::default();
    let handler = waits("long", &door);
    let first = world.replica(vec![handler.clone()], quick());
    let job = world.enqueue("long", "x").await;
    until("it begins", async || (door.arrived() == 1).then_some(())).await;
    first.stop().await;
    let back = world.job(&job.id).await;
    assert_eq!((back.status, back.attempt), (Status::Pending, 0));
    let _second = world.replica(vec![handler], quick());
    until("it begins again", async || (door.arrived() == 2).then_some(())).await;
    door.open();
    assert_eq!(world.until(&job.id, Status::Succeeded).await.attempt, 1);
}

#[tokio::test]
async fn a_job_that_keeps_taking_its_workers_down_is_given_up() {
    let world = World::new().await;
    let job = world.enqueue("deadly", "x").await;
    for _ in 0..LOSSES {
        let door = Door::default();
        let handler = waits("deadly", &door);
        let replica = world.replica(vec![handler], quick());
        until("it begins", async || (door.arrived() == 1).then_some(())).await;
        drop(replica);
        world.execute("UPDATE job_locks SET expires_at = '-infinity' WHERE worker IS NOT NULL").await;
    }
    let _janitor = world.replica(Vec::new(), quick());
    let dead = world.until(&job.id, Status::Dead).await;
    assert_eq!(dead.error.as_deref(), Some("the server that worked on it was lost"));
}

#[tokio::test]
async fn a_job_that_was_announced_is_taken_without_waiting_for_the_next_look() {
    let world = World::new().await;
    let slow = jobs::Options { poll_every: Duration::from_hours(1), ..quick() };
    let _replica = world.replica(vec![does("quick", async |_| nothing())], slow);
    // The first look has to be over: it would find the job by itself.
    for _ in 0..3 {
        let job = world.enqueue("quick", "x").await;
        world.until(&job.id, Status::Succeeded).await;
    }
}

#[tokio::test]
async fn what_ended_two_weeks_ago_is_removed_with_its_log_and_what_ended_yesterday_is_kept() {
    let world = World::new().await;
    let handler = does("chatty", async |run| {
        run.info("hello");
        nothing()
    });
    let replica = world.replica(vec![handler], quick());
    let (old, new) = (world.enqueue("chatty", "x").await, world.enqueue("chatty", "y").await);
    world.until(&old.id, Status::Succeeded).await;
    world.until(&new.id, Status::Succeeded).await;
    replica.stop().await;
    world.execute("UPDATE jobs SET finished_at = finished_at - interval '15 days' WHERE target = 'x'").await;
    world.execute("UPDATE jobs SET finished_at = finished_at - interval '13 days' WHERE target = 'y'").await;
    let _janitor = world.replica(Vec::new(), quick());
    let db = world.pool().get().await.unwrap();
    until("the old one goes", async || store::jobs::get(&db, &old.id).await.unwrap().is_none().then_some(())).await;
    assert!(world.log(&old.id).await.is_empty());
    assert_eq!(world.log(&new.id).await, ["hello"]);
}
