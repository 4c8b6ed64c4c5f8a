//! The client and the description of the API agree.

use rdev_client::Query;
use rdev_client::description::ApiDescription;

use crate::operations::{ALL, statistics_query};
use crate::*;

fn description() -> ApiDescription {
    ApiDescription::parse(rdev_runner_api::openapi_json())
}

#[test]
fn every_operation_is_described_and_every_described_one_exists() {
    description().has_exactly(ALL, &["describeRunner"]);
}

#[test]
fn every_view_has_exactly_the_described_members() {
    let document = description();
    document.reads::<Project>("Project");
    document.reads::<ProjectStatistics>("ProjectStatistics");
    document.reads::<RunDurations>("RunDurations");
    document.reads::<ActivatedRepository>("ActivatedRepository");
    document.reads::<PipelineSecret>("PipelineSecret");
    document.reads::<Pipeline>("Pipeline");
    document.reads::<Workspace>("Workspace");
    document.reads::<Limits>("Limits");
    document.reads::<Command>("CommandDetail");
    document.reads::<CommandRequest>("CommandRequest");
    document.reads::<CommandSession>("CommandSession");
    document.reads::<CommandResult>("Result");
    document.reads::<Usage>("Usage");
    document.reads::<Denial>("Denial");
    document.reads::<Changes>("Changes");
    document.reads::<CommandEvent>("CommandEvent");
    document.reads::<Provider>("Provider");
    document.reads::<Capabilities>("Capabilities");
    document.reads::<Credential>("Credential");
    document.reads::<CredentialVersion>("CredentialVersion");
    document.reads::<CredentialUse>("CredentialUse");
    document.reads::<Template>("Template");
    document.reads::<TemplateVariable>("TemplateVariable");
    document.reads::<RenderedTemplate>("RenderedTemplate");
    document.reads::<RenderedFile>("RenderedFile");
    document.reads::<AppliedTemplate>("AppliedTemplate");
    document.reads::<AppliedFile>("AppliedFile");
}

#[test]
fn every_request_can_have_every_described_member() {
    let document = description();
    let text = || Some("x".to_owned());
    let limits = NewLimits {
        wall_ms: Some(1),
        idle_ms: Some(1),
        tool_idle_ms: Some(1),
        start_ms: Some(1),
        max_turns: Some(1),
        max_budget_usd: Some(1.0),
    };
    document.writes("Limits", &limits);
    let command = NewCommand {
        provider: text(),
        prompt: "x".to_owned(),
        session: Some(NewSession::Resume("x".to_owned())),
        model: text(),
        limits,
        permissions: text(),
        allowed_tools: Some(Vec::new()),
        denied_tools: Some(Vec::new()),
        secrets: Some(Vec::new()),
    };
    document.writes("NewCommand", &command);
    let settings = ProjectPatch {
        description: Some(None),
        provider: Some(None),
        model: Some(None),
        workspace: Some(Some(NewWorkspace::local("/x"))),
        limits: Some(None),
        permissions: Some(None),
        allowed_tools: Some(None),
        denied_tools: Some(None),
        secrets: Some(None),
        environment: Some(None),
        repository: Some(None),
        max_running: Some(None),
        archived: Some(None),
    };
    let credential = NewCredential {
        kind: text(),
        value: text(),
        projects: Some(None),
        expires_at: Some(None),
        overlap_seconds: Some(1),
    };
    document.writes("NewCredential", &credential);
    document.writes("RenderTemplate", &RenderTemplate { project: text(), ..RenderTemplate::default() });
    let secret = NewPipelineSecret { name: text(), events: Some(Vec::new()), ..NewPipelineSecret::default() };
    document.writes("NewPipelineSecret", &secret);
    let variables = [("A".to_owned(), "1".to_owned())].into();
    document.writes("NewPipeline", &NewPipeline { branch: text(), variables });
    document.writes("ApplyTemplate", &ApplyTemplate::default());
    let text = || "x".to_owned();
    let pod = NewPod { namespace: text(), selector: text(), container: text() };
    document.writes("Workspace", &NewWorkspace::in_pod("/x", pod));
    document.writes("NewProject", &NewProject { name: "x".to_owned(), settings });
}

#[test]
fn every_filter_has_the_described_parameters() {
    let document = description();
    let text = || Some("x".to_owned());
    let commands = CommandFilter { project: text(), provider: text(), status: text() };
    let pages = &["limit", "cursor"];
    document.asks("/commands", &commands.query(), pages);
    document.asks("/projects", &ProjectFilter { archived: Some(true) }.query(), pages);
    document.asks("/projects/{name}/stats", &statistics_query(Some("24h")), &[]);
    document.asks("/projects/{name}/woodpecker/pipelines", &Query::default(), pages);
    document.asks("/credentials", &CredentialFilter { project: text() }.query(), pages);
    document.asks("/credentials/{name}/uses", &Query::default(), pages);
    document.asks("/commands/{id}/events", &Query::default(), pages);
}
