//! Functions that take all that there is, flood what the node listens to, or stay when they shall go.

use std::time::{Duration, Instant};

use mayfly_testkit::until;
use serde_json::json;

use super::ground::{Ground, Who, attackers, python};
use super::host;

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_takes_the_processes_of_its_own_sandbox() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        // Enough for all that it may fork.
        let memory = if ground.limited().await { "memory = \"1 GB\"\n" } else { "" };
        let timeout = format!("{memory}timeout = \"1s\"");
        let bombs = [("bombs.processes", memory), ("bombs.processes_without_end", &timeout)];
        ground.deploy(&python("attacker", &bombs)).await;
        let watch = ground.watch();
        let came = ground.attack("processes", &json!({})).await;
        assert_eq!(came["error"], "EAGAIN", "{who:?}: {came}");
        let children = came["children"].as_u64().unwrap();
        assert!((200..256).contains(&children), "{who:?}: {came}");

        let timeout = "did not finish within its timeout of 1s";
        ground.fails("processes_without_end", json!({}), "timeout", timeout).await;
        // The spawner, and each an init and a program for the neighbour and the first attacker.
        let left = || host::descendants(ground.node.pid()).len();
        until("the end of all forks", async || (left() <= 5).then_some(())).await;
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_ends_its_own_sandbox() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        if !ground.limited().await {
            eprintln!("NOT SHOWN: {who:?}: memory, because no cgroups hold it here");
            continue;
        }
        let most = "memory = \"64 MB\"";
        let bombs = [("bombs.memory", most), ("bombs.shared_memory", most)];
        ground.deploy(&python("attacker", &bombs)).await;
        let watch = ground.watch();
        let [before, _] = ground.memory();
        for bomb in ["memory", "shared_memory"] {
            let reason = "reached its memory limit of 64MB";
            ground.fails(bomb, json!({}), "out_of_memory", reason).await;
        }
        let [_, most] = ground.memory();
        assert!(most < before + 64, "{who:?}: the node had {before} MB, and then {most} MB");
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_the_host_cannot_hold_are_told_and_refused() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let limited = ground.limited().await;
        for limit in ["memory = \"64 MB\"", "cpu = 0.5"] {
            let deployed = ground.node.deploy(&python("attacker", &[("calls", limit)])).await;
            let key = limit.split(' ').next().unwrap();
            match deployed {
                Ok(_) => assert!(limited, "{who:?}: {limit} is held by nothing"),
                Err(error) => {
                    assert!(!limited, "{who:?}: {error}");
                    let detail = error.only();
                    let told =
                        format!("function calls: this host has no cgroups that hold `{key}`");
                    assert_eq!(detail.message, told);
                    assert!(detail.help.as_ref().unwrap().contains("mayfly doctor"), "{detail:?}");
                }
            }
        }
        if who == Who::Ordinary {
            assert!(!limited, "nothing is delegated to this user");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_full_where_its_owner_said() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let small = "disk = \"16 MB\"";
        ground.deploy(&python("attacker", &[("bombs.disk", small), ("bombs.names", small)])).await;
        let watch = ground.watch();
        let came = ground.attack("disk", &json!({ "paths": ["/tmp", "/dev/shm"] })).await;
        let full = |bytes: u64| json!({ "bytes": bytes, "error": "ENOSPC" });
        assert_eq!(came, json!({ "/tmp": full(16 << 20), "/dev/shm": full(64 << 20) }), "{who:?}");
        let came = ground.attack("names", &json!({})).await;
        assert_eq!(came["error"], "ENOSPC", "{who:?}: {came}");
        assert!(came["names"].as_u64().unwrap() <= 1024, "{who:?}: {came}");
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_threads_that_compute_leave_the_neighbour_its_share() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        ground.deploy(&python("attacker", &[("bombs.threads", "")])).await;
        let watch = ground.watch();
        let came = ground.attack("threads", &json!({ "seconds": 2 })).await;
        let slowest = watch.well().await;
        assert!(slowest < Duration::from_secs(1), "{who:?}: the neighbour waited {slowest:?}");
        let used = came["processor"].as_f64().unwrap();
        assert!(used > 0.5, "{who:?}: {came}");
        if ground.limited().await {
            assert!(used < 4.0, "{who:?}: one core for two seconds and a little, not {came}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_costs_the_flooder_its_own_lines() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let floods = ["output", "endless_line", "empty_lines", "frames"];
        let functions = floods.map(|name| (format!("floods.{name}"), ""));
        let functions: Vec<_> = functions.iter().map(|(name, s)| (name.as_str(), *s)).collect();
        ground.deploy(&python("attacker", &functions)).await;
        // The lines of the neighbour are its own too.
        let watch = ground.watch();
        let [before, _] = ground.memory();
        for flood in floods {
            let used = ground.processor_time();
            let said = ground.attack(flood, &json!({ "seconds": 1 })).await;
            let said = said.as_u64().unwrap() >> 10;
            let after = ground.processor_time();
            eprintln!("{who:?}: {flood}: {said} KB in a second cost the node {:?}", after - used);
            assert!(said > 100, "{who:?}: {flood} is no flood");
        }
        let [_, most] = ground.memory();
        assert!(most < before + 96, "{who:?}: the node had {before} MB, and then {most} MB");
        watch.well().await;
        let kept = size(&ground.node.data().join("logs"));
        assert!(kept < 80 << 20, "{who:?}: the logs take {kept} bytes");
    }
}

fn size(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        meta => meta.map_or(0, |meta| meta.len()),
    });
    sizes.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_costs_a_process_and_a_reason() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let cases = [
            ("garbage", "cannot be understood"),
            ("huge_frame", "a frame is too long"),
            ("largest_number", "a frame is too long"),
            ("unknown_kind", "no known kind"),
            ("wrong_json", "cannot be understood"),
            ("unending_result", "more than was asked for"),
            ("silence", "the function's process ended"),
            ("deafness", "the function's process ended"),
        ];
        let others = ["descriptors", "answers_of_others"];
        let names = cases.iter().map(|(name, _)| *name).chain(others);
        let functions: Vec<_> = names.map(|name| format!("floods.{name}")).collect();
        let functions: Vec<_> = functions.iter().map(|name| (name.as_str(), "")).collect();
        ground.deploy(&python("attacker", &functions)).await;
        let watch = ground.watch();
        let [before, _] = ground.memory();
        let began = Instant::now();
        for (function, reason) in cases {
            ground.fails(function, json!({ "seed": 1 }), "function_crashed", reason).await;
        }
        // Each would have slept for a minute.
        assert!(began.elapsed() < Duration::from_secs(30), "{who:?}: {:?}", began.elapsed());
        let [_, most] = ground.memory();
        assert!(most < before + 64, "{who:?}: the node had {before} MB, and then {most} MB");

        let open = || std::fs::read_dir(format!("/proc/{}/fd", ground.node.pid())).unwrap().count();
        let before = open();
        assert_eq!(ground.attack("descriptors", &json!({})).await, 4000, "{who:?}");
        assert!(open() < before + 50, "{who:?}: files that were sent stay open: {}", open());
        assert_eq!(ground.attack("answers_of_others", &json!({})).await, "mine", "{who:?}");
        watch.well().await;
        let programs = || host::descendants(ground.node.pid()).len();
        // The spawner, the neighbour, and the two that did nothing wrong.
        until("the end of the others", async || (programs() == 7).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shouted_at_the_runtime_api_costs_the_shouter_its_call() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let manifest = "app = \"attacker\"\n[functions.shouting]\ncode = \"shouting\"\n\
                        runtime = \"provided\"\n";
        ground.deploy(&attackers().file("mayfly.toml", manifest)).await;
        let watch = ground.watch();
        let [before, _] = ground.memory();
        let reason = "the answer is larger than 6291456 bytes";
        ground.fails("shouting", json!({}), "invalid_response", reason).await;
        let [_, most] = ground.memory();
        assert!(most < before + 64, "{who:?}: the node had {before} MB, and then {most} MB");
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_while_a_function_loads_is_cut() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let watch = ground.watch();
        let [before, _] = ground.memory();
        let deployed = ground.node.deploy(&python("attacker", &[("loud", "")])).await;
        let [_, most] = ground.memory();
        assert!(most < before + 64, "{who:?}: the node had {before} MB, and then {most} MB");
        watch.well().await;
        let answer = match deployed {
            Ok(deployed) => deployed.body.to_string(),
            Err(refused) => refused.to_string(),
        };
        assert!(answer.len() < 4 << 20, "{who:?}: an answer of {} bytes", answer.len());
    }
}
