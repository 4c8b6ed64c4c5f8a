//! Projects.

use std::time::Duration;

use rdev_runner_domain::ports::{CommandRefusal, ProjectChange};
use rdev_runner_domain::{
    Access, AgentResult, CommandStatus, LimitSettings, Outcome, PermissionProfile, Progress, Project,
    ProjectFilter, ProjectName, ProjectSettings, StatisticsWindow, Usage, Usd, Workspace,
};

use super::StoreHarness;
use super::scene::{add, add_project, claim, claim_with, complete, limits, record, report, result};
use crate::{command_id, draft, project, request};

fn name(text: &str) -> ProjectName {
    text.parse().expect("a name")
}

/// Returns an archived project with a value for every setting.
pub(super) fn full() -> Project {
    let settings = ProjectSettings {
        provider: Some("demo".parse().expect("a provider")),
        limits: LimitSettings {
            wall: Some(Duration::from_millis(3_600_001)),
            max_turns: Some(7),
            max_budget_usd: Some(0.1 + 0.2),
            ..LimitSettings::NONE
        },
        permissions: PermissionProfile::ReadOnly,
        allowed_tools: vec!["Bash(cargo *)".parse().expect("a rule"), "Edit".parse().expect("a rule")],
        denied_tools: vec!["WebFetch".parse().expect("a rule")],
        secrets: ["ANTHROPIC_API_KEY".parse().expect("a name")].into(),
        description: Some("A service\nof ours".parse().expect("a description")),
        model: Some("claude-opus-5-5".parse().expect("a model")),
        environment: [("RUST_LOG".parse().expect("a name"), "é=\"debug\"".parse().expect("a value"))].into(),
        is_archived: true,
        repository: Some("acme/billing".parse().expect("a repository")),
        max_running: 3,
        ..ProjectSettings::new(Workspace::Local { path: "/srv/é \"q\"".parse().expect("a path") })
    };
    let plain = project("mein Projekt é");
    Project::new(plain.name, settings, plain.created_at).expect("no faults")
}

/// Every field of a project survives.
pub async fn a_project_is_kept_exactly(harness: &dyn StoreHarness) {
    let project = full();
    assert!(harness.projects().create(&project).await.expect("created"));
    let stored = harness.projects().get(Access::everything(), &project.name).await.expect("read");
    assert_eq!(stored, Some(project.clone()));
    let later = project.created_at + Duration::from_secs(5);
    let plain = crate::project("p").settings().clone();
    let changed = project.changed(plain, later).expect("no faults");
    assert_eq!(harness.projects().update(&changed).await.expect("updated"), ProjectChange::Applied);
    let stored = harness.projects().get(Access::everything(), &project.name).await.expect("read");
    assert_eq!(stored, Some(changed));
}

/// A name is given once.
pub async fn a_project_is_created_once(harness: &dyn StoreHarness) {
    let first = full();
    assert!(harness.projects().create(&first).await.expect("created"));
    let other = project("mein Projekt é");
    assert!(!harness.projects().create(&other).await.expect("refused"));
    let stored = harness.projects().get(Access::everything(), &first.name).await.expect("read");
    assert_eq!(stored, Some(first));
}

/// A project-scoped caller sees its projects only, and deletes no others.
pub async fn projects_are_shown_to_their_callers_alone(harness: &dyn StoreHarness) {
    for project in ["a", "b", "c"] {
        add_project(harness, project, 1).await;
    }
    let access = Access::new([]).with_projects([name("b"), name("nowhere")]);
    let projects = harness.projects();
    let listed = projects.list(&access, ProjectFilter::default(), None, 10).await.expect("listed");
    assert_eq!(listed.items.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(projects.get(&access, &name("b")).await.expect("read").is_some());
    assert_eq!(projects.get(&access, &name("a")).await.expect("read"), None);
    let deleted = projects.delete(&access, &name("a"), None).await.expect("refused");
    assert_eq!(deleted, ProjectChange::NotFound);
    assert!(projects.get(Access::everything(), &name("a")).await.expect("read").is_some());
    let nothing = Access::new([]).with_projects([]);
    assert_eq!(projects.list(&nothing, ProjectFilter::default(), None, 10).await.expect("listed").items, []);
}

/// Pages follow each other by name.
pub async fn projects_are_paged_by_name(harness: &dyn StoreHarness) {
    for project in ["b", "a", "B", "é", "c"] {
        add_project(harness, project, 1).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let projects = harness.projects();
        let page = projects.list(Access::everything(), ProjectFilter::default(), after.as_ref(), 2);
        let page = page.await.expect("listed");
        seen.extend(page.items.iter().map(|project| project.name.to_string()));
        after = page.items.last().map(|project| project.name.clone());
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, ["B", "a", "b", "c", "é"]);
}

/// An update must know the version that it replaces.
pub async fn an_update_of_an_old_version_is_refused(harness: &dyn StoreHarness) {
    let first = project("p");
    harness.projects().create(&first).await.expect("created");
    let second = first.changed(first.settings().clone(), first.created_at).expect("no faults");
    let third = second.changed(first.settings().clone(), first.created_at).expect("no faults");
    let projects = harness.projects();
    assert_eq!(projects.update(&third).await.expect("refused"), ProjectChange::VersionMismatch);
    assert_eq!(projects.update(&second).await.expect("updated"), ProjectChange::Applied);
    assert_eq!(projects.update(&second).await.expect("refused"), ProjectChange::VersionMismatch);
    let unknown = project("q").changed(first.settings().clone(), first.created_at).expect("no faults");
    assert_eq!(projects.update(&unknown).await.expect("refused"), ProjectChange::NotFound);
}

/// Of several updates of a version one applies.
pub async fn concurrent_updates_of_a_version_apply_once(harness: &dyn StoreHarness) {
    let first = project("p");
    harness.projects().create(&first).await.expect("created");
    let updates: Vec<_> = (1..=8)
        .map(|max_running| {
            let settings = ProjectSettings { max_running, ..first.settings().clone() };
            let changed = first.changed(settings, first.created_at).expect("no faults");
            let projects = harness.projects();
            tokio::spawn(async move { projects.update(&changed).await.expect("answered") })
        })
        .collect();
    let mut applied = 0;
    for update in updates {
        applied += u32::from(update.await.expect("no panic") == ProjectChange::Applied);
    }
    assert_eq!(applied, 1);
}

/// A raised limit lets the next command run.
pub async fn a_changed_limit_applies_to_later_claims(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add(harness, 1).await;
    add(harness, 2).await;
    claim(harness).await;
    assert_eq!(claim_with(harness, limits()).await, None);
    let projects = harness.projects();
    let stored = projects.get(Access::everything(), &name("my-project")).await.expect("read");
    let stored = stored.expect("the project exists");
    let settings = ProjectSettings { max_running: 2, ..stored.settings().clone() };
    let changed = stored.changed(settings, stored.created_at).expect("no faults");
    assert_eq!(projects.update(&changed).await.expect("updated"), ProjectChange::Applied);
    claim(harness).await;
}

/// A deletion may name the versions that it means.
pub async fn a_deletion_of_another_version_is_refused(harness: &dyn StoreHarness) {
    add_project(harness, "p", 1).await;
    let projects = harness.projects();
    let delete = async |versions: Option<&[u64]>| {
        projects.delete(Access::everything(), &name("p"), versions).await.expect("answered")
    };
    assert_eq!(delete(Some(&[2, 3])).await, ProjectChange::VersionMismatch);
    assert_eq!(delete(Some(&[])).await, ProjectChange::VersionMismatch);
    assert_eq!(delete(Some(&[2, 1])).await, ProjectChange::Applied);
    assert_eq!(delete(None).await, ProjectChange::NotFound);
}

/// A project is deleted once all its commands have ended, and they stay.
pub async fn a_project_with_unfinished_commands_stays(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let projects = harness.projects();
    let delete =
        async || projects.delete(Access::everything(), &name("my-project"), None).await.expect("answered");
    assert_eq!(delete().await, ProjectChange::InUse { unfinished: 1 });
    let leased = claim(harness).await;
    add(harness, 2).await;
    assert_eq!(delete().await, ProjectChange::InUse { unfinished: 2 });
    harness.commands().cancel(Access::everything(), command_id(2)).await.expect("answered");
    complete(harness, &leased).await;
    assert_eq!(delete().await, ProjectChange::Applied);
    assert!(harness.commands().get(Access::everything(), id).await.expect("read").is_some());
}

/// No command is left without its project.
pub async fn a_deletion_and_a_command_exclude_each_other(harness: &dyn StoreHarness) {
    for n in 0..20 {
        let project = format!("p{n}");
        add_project(harness, &project, 1).await;
        let mut draft = draft(n, "x");
        draft.project = name(&project);
        let (projects, commands) = (harness.projects(), harness.commands());
        let deletion = tokio::spawn(async move {
            projects.delete(Access::everything(), &name(&project), None).await.expect("answered")
        });
        let created = commands.create(&request(draft)).await.expect("answered").is_ok();
        let deleted = deletion.await.expect("no panic") == ProjectChange::Applied;
        assert!(created != deleted, "created: {created}, deleted: {deleted}");
    }
}

async fn set_archived(harness: &dyn StoreHarness, project: &str, is_archived: bool) {
    let projects = harness.projects();
    let stored = projects.get(Access::everything(), &name(project)).await.expect("read");
    let stored = stored.expect("the project exists");
    let settings = ProjectSettings { is_archived, ..stored.settings().clone() };
    let changed = stored.changed(settings, stored.created_at).expect("no faults");
    assert_eq!(projects.update(&changed).await.expect("updated"), ProjectChange::Applied);
}

/// What was queued before still runs.
pub async fn an_archived_project_takes_no_commands(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let queued = add(harness, 1).await;
    set_archived(harness, "my-project", true).await;
    let refused = harness.commands().create(&request(draft(2, "x"))).await.expect("answered");
    assert_eq!(refused, Err(CommandRefusal::Archived));
    let again = harness.commands().create(&request(draft(1, "x"))).await.expect("answered");
    assert_eq!(again.map(|command| command.id), Ok(queued));
    assert_eq!(claim(harness).await.lease.command, queued);
    set_archived(harness, "my-project", false).await;
    assert!(harness.commands().create(&request(draft(2, "x"))).await.expect("answered").is_ok());
}

/// A list may show the archived projects alone, or the others.
pub async fn archived_projects_are_filtered(harness: &dyn StoreHarness) {
    for project in ["a", "b", "c"] {
        add_project(harness, project, 1).await;
    }
    set_archived(harness, "b", true).await;
    let projects = harness.projects();
    for (is_archived, expected) in
        [(None, &["a", "b", "c"][..]), (Some(true), &["b"]), (Some(false), &["a", "c"])]
    {
        let listed = projects.list(Access::everything(), ProjectFilter { is_archived }, None, 10).await;
        let listed = listed.expect("listed").items;
        assert!(
            listed.iter().map(|project| project.name.as_str()).eq(expected.iter().copied()),
            "{listed:?}"
        );
    }
}

/// A begun deletion lets no command in, names those to cancel, and ends with the last of them.
pub async fn a_project_is_gone_once_its_commands_have_ended(harness: &dyn StoreHarness) {
    for project in ["my-project", "other"] {
        add_project(harness, project, 5).await;
    }
    let (running, queued) = (add(harness, 1).await, add(harness, 2).await);
    let mut of_other = draft(3, "x");
    of_other.project = name("other");
    let (projects, commands) = (harness.projects(), harness.commands());
    commands.create(&request(of_other)).await.expect("answered").expect("the project exists");
    let leased = claim(harness).await;
    assert_eq!(leased.lease.command, running);
    let find = async || projects.get(Access::everything(), &name("my-project")).await.expect("read");
    assert_eq!(projects.commands_to_cancel(10).await.expect("read"), []);
    for _ in 0..2 {
        let begun = projects.begin_deletion(Access::everything(), &name("my-project"), None).await;
        assert_eq!(begun.expect("answered"), ProjectChange::Applied);
        let project = find().await.expect("the project exists");
        assert_eq!((project.is_deleting, project.version), (true, 2));
    }
    let refused = commands.create(&request(draft(4, "x"))).await.expect("answered");
    assert_eq!(refused, Err(CommandRefusal::Deleting));
    assert_eq!(claim(harness).await.request.draft().project, name("other"));
    assert_eq!(claim_with(harness, limits()).await, None);
    assert_eq!(projects.finish_deletions().await.expect("answered"), []);
    assert_eq!(projects.commands_to_cancel(1).await.expect("read"), [running]);
    assert_eq!(projects.commands_to_cancel(10).await.expect("read"), [running, queued]);
    for id in [running, queued] {
        commands.cancel(Access::everything(), id).await.expect("answered");
    }
    assert_eq!(projects.commands_to_cancel(10).await.expect("read"), []);
    assert_eq!(projects.finish_deletions().await.expect("answered"), []);
    complete(harness, &leased).await;
    assert_eq!(projects.finish_deletions().await.expect("answered"), [name("my-project")]);
    assert_eq!(find().await, None);
    assert!(commands.get(Access::everything(), running).await.expect("read").is_some());
    assert_eq!(projects.finish_deletions().await.expect("answered"), []);
    assert!(projects.get(Access::everything(), &name("other")).await.expect("read").is_some());
}

/// A deletion may name the versions that it means, and needs a visible project.
pub async fn a_begun_deletion_needs_the_version(harness: &dyn StoreHarness) {
    add_project(harness, "p", 1).await;
    let projects = harness.projects();
    let stranger = Access::new([]).with_projects([name("q")]);
    for (access, project, versions, expected) in [
        (Access::everything(), "p", Some(&[2, 3][..]), ProjectChange::VersionMismatch),
        (Access::everything(), "q", None, ProjectChange::NotFound),
        (&stranger, "p", None, ProjectChange::NotFound),
    ] {
        let refused = projects.begin_deletion(access, &name(project), versions).await;
        assert_eq!(refused.expect("answered"), expected);
    }
    let stored = projects.get(Access::everything(), &name("p")).await.expect("read").expect("it exists");
    assert!(!stored.is_deleting);
    let begun = projects.begin_deletion(Access::everything(), &name("p"), Some(&[1])).await;
    assert_eq!(begun.expect("answered"), ProjectChange::Applied);
}

/// Commands count by their status, and those that ended before the window do not.
pub async fn a_projects_commands_are_counted_in_a_window(harness: &dyn StoreHarness) {
    let day: StatisticsWindow = "24h".parse().expect("a window");
    let projects = harness.projects();
    for project in ["my-project", "other"] {
        add_project(harness, project, 100).await;
    }
    let read = async || {
        let found = projects.statistics(Access::everything(), &name("my-project"), day).await;
        found.expect("read").expect("the project exists")
    };
    let nothing = read().await;
    assert_eq!((&nothing.commands, nothing.runs), (&[].into(), 0));
    assert_eq!((nothing.median_duration, nothing.p95_duration), (None, None));
    add(harness, 1).await;
    complete(harness, &claim(harness).await).await;
    harness.advance(Duration::from_secs(2 * 24 * 60 * 60)).await;
    let ended = |outcome| {
        let usage =
            Usage { input_tokens: 1, output_tokens: 20, cache_read_tokens: 300, cache_write_tokens: 4_000 };
        Progress::Ended(Box::new(AgentResult { usage, cost: Some(Usd::from_nanos(5)), ..result(outcome) }))
    };
    for (n, outcome) in [(2, Outcome::Completed), (3, Outcome::Lost), (4, Outcome::Completed)] {
        add(harness, n).await;
        let leased = claim(harness).await;
        record(harness, leased.lease, report(0, &[], ended(outcome))).await;
    }
    for n in [5, 6, 7] {
        add(harness, n).await;
    }
    harness.commands().cancel(Access::everything(), command_id(5)).await.expect("answered");
    claim(harness).await;
    let found = read().await;
    let counted = [
        (CommandStatus::Queued, 1),
        (CommandStatus::Starting, 1),
        (CommandStatus::Completed, 2),
        (CommandStatus::Cancelled, 1),
        (CommandStatus::Lost, 1),
    ];
    assert_eq!((&found.commands, found.runs), (&counted.into(), 3));
    let usage =
        Usage { input_tokens: 3, output_tokens: 60, cache_read_tokens: 900, cache_write_tokens: 12_000 };
    assert_eq!((found.usage, found.cost), (usage, Usd::from_nanos(15)));
    assert!(found.median_duration.expect("runs have ended") <= found.p95_duration.expect("runs have ended"));
    assert_eq!(found.until.since(found.since), day.as_duration());
    let of_other = projects.statistics(Access::everything(), &name("other"), day).await.expect("read");
    assert_eq!(of_other.expect("the project exists").commands, [].into());
    let stranger = Access::new([]).with_projects([name("other")]);
    assert_eq!(projects.statistics(&stranger, &name("my-project"), day).await.expect("read"), None);
    assert_eq!(projects.statistics(Access::everything(), &name("none"), day).await.expect("read"), None);
}
