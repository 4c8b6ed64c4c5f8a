//! A project as the fields of a form.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use rdev_core::ProjectName;
use rdev_pages::{Difference, Form, FormFaults, Input, span};
use rdev_runner_app::{ProjectFault, Projects};
use rdev_runner_domain::{
    AgentProvider, Environment, LimitSettings, PROJECT_SLUG_PATTERN, PermissionProfile, Project,
    ProjectSettings, Workspace,
};

use crate::words;

/// The fields, each with its label for a comparison.
const FIELDS: [(&str, &str); 18] = [
    ("description", "Description"),
    ("provider", "Provider"),
    ("model", "Model"),
    ("workspace", "Workspace"),
    ("repository", "Repository"),
    ("permissions", "Permissions"),
    ("allowed_tools", "Allowed tools"),
    ("denied_tools", "Denied tools"),
    ("secrets", "Secrets"),
    ("environment", "Variables"),
    ("wall", "Longest run"),
    ("idle", "Longest silence"),
    ("tool_idle", "Longest silence of a tool"),
    ("start", "Longest start"),
    ("turns", "Most turns"),
    ("budget", "Budget"),
    ("max_running", "Commands at once"),
    ("archived", "Archived"),
];

/// Returns the field of a faulty member; the form itself for any other.
pub(super) fn field(fault: &ProjectFault) -> &'static str {
    let pointer = fault.pointer();
    let mut parts = pointer.split('/').skip(1);
    let name = match (parts.next().unwrap_or_default(), parts.next()) {
        ("limits", Some(limit)) => match limit {
            "wall_ms" => "wall",
            "idle_ms" => "idle",
            "tool_idle_ms" => "tool_idle",
            "start_ms" => "start",
            "max_turns" => "turns",
            _ => "budget",
        },
        ("name", _) => return "name",
        (member, _) => member,
    };
    FIELDS.iter().map(|(field, _)| *field).find(|field| *field == name).unwrap_or_default()
}

/// Returns the fields of a stored project.
pub(super) fn stored(project: &Project) -> Form {
    let settings = project.settings();
    let limits = &settings.limits;
    let span = |set: Option<Duration>| set.map(span::text).unwrap_or_default();
    let variables =
        settings.environment.iter().map(|(name, value)| format!("{name}={}", on_a_line(value.as_str())));
    let texts = [
        ("description", settings.description.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("provider", settings.provider.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("model", settings.model.as_ref().map(ToString::to_string).unwrap_or_default()),
        (
            "workspace",
            match &settings.workspace {
                Workspace::Local { path } => path.to_string(),
                _ => String::new(),
            },
        ),
        ("repository", settings.repository.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("permissions", settings.permissions.as_str().to_owned()),
        ("allowed_tools", lines(&settings.allowed_tools)),
        ("denied_tools", lines(&settings.denied_tools)),
        ("secrets", lines(&settings.secrets)),
        ("environment", variables.collect::<Vec<_>>().join("\n")),
        ("wall", span(limits.wall)),
        ("idle", span(limits.idle)),
        ("tool_idle", span(limits.tool_idle)),
        ("start", span(limits.start)),
        ("turns", limits.max_turns.map(|turns| turns.to_string()).unwrap_or_default()),
        ("budget", limits.max_budget_usd.map(|usd| usd.to_string()).unwrap_or_default()),
        ("max_running", settings.max_running.to_string()),
        ("archived", if settings.is_archived { "on" } else { "" }.to_owned()),
    ];
    Form::from_iter(texts)
}

fn lines<'a, T: Display + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    items.into_iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Returns the fields in which a form differs from what is stored.
pub(super) fn differences(form: &Form, stored: &Form) -> Vec<Difference> {
    Difference::between(&FIELDS, |name| form.text(name).trim(), |name| stored.text(name))
}

/// Reads the settings of a project of this name, or records what is wrong.
pub(super) fn settings(
    form: &Form,
    projects: &Projects,
    name: &ProjectName,
    present: Option<&Project>,
    faults: &mut FormFaults,
) -> Option<ProjectSettings> {
    let workspace = workspace(form, projects, name, present, faults);
    let permissions = PermissionProfile::parse(form.text("permissions")).ok_or("is none of the choices");
    let permissions = faults.check("permissions", permissions);
    let budget = |text: &str| text.parse().map_err(|_| "must be a number");
    let settings = ProjectSettings {
        description: one(form, "description", faults, str::parse),
        provider: one(form, "provider", faults, str::parse),
        model: one(form, "model", faults, str::parse),
        limits: LimitSettings {
            wall: one(form, "wall", faults, span::parse),
            idle: one(form, "idle", faults, span::parse),
            tool_idle: one(form, "tool_idle", faults, span::parse),
            start: one(form, "start", faults, span::parse),
            max_turns: one(form, "turns", faults, whole),
            max_budget_usd: one(form, "budget", faults, budget),
        },
        allowed_tools: many(form, "allowed_tools", faults),
        denied_tools: many(form, "denied_tools", faults),
        secrets: many::<_, BTreeSet<_>>(form, "secrets", faults),
        environment: environment(form, faults),
        max_running: one(form, "max_running", faults, whole).unwrap_or(1),
        is_archived: form.text("archived") == "on",
        repository: one(form, "repository", faults, str::parse),
        // Last, so that all faults are found.
        workspace: workspace?,
        permissions: permissions?,
    };
    faults.is_empty().then_some(settings)
}

fn whole(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "must be a whole number")
}

/// Returns the folder that the form names, and otherwise the present place or the default one.
fn workspace(
    form: &Form,
    projects: &Projects,
    name: &ProjectName,
    present: Option<&Project>,
    faults: &mut FormFaults,
) -> Option<Workspace> {
    if let Some(text) = form.given("workspace") {
        let path = faults.check("workspace", text.parse())?;
        return Some(Workspace::Local { path });
    }
    match present.map(|present| &present.settings().workspace) {
        Some(elsewhere) if !matches!(elsewhere, Workspace::Local { .. }) => Some(elsewhere.clone()),
        _ => faults.check("workspace", projects.default_workspace(name)),
    }
}

/// Returns the value of a field; `None` if it is empty or faulty.
fn one<T, E: Display>(
    form: &Form,
    name: &str,
    faults: &mut FormFaults,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    form.given(name).and_then(|text| faults.check(name, parse(text)))
}

/// Returns the values of the lines of a field.
fn many<T: FromStr<Err: Display>, C: FromIterator<T>>(form: &Form, name: &str, faults: &mut FormFaults) -> C {
    let parsed = |line: &str| faults.check(name, line.parse().map_err(|error| format!("`{line}` {error}")));
    form.lines(name).filter_map(parsed).collect()
}

fn environment(form: &Form, faults: &mut FormFaults) -> Environment {
    let mut environment = Environment::new();
    for line in form.lines("environment") {
        let Some((name, value)) = line.split_once('=') else {
            faults.at("environment", format!("`{line}` must be a name, = and a value"));
            continue;
        };
        let named = |error: &dyn Display| format!("`{}` {error}", name.trim());
        let parsed = name.trim().parse().map_err(|error| named(&error));
        let value = of_a_line(value).parse().map_err(|error| named(&error));
        if let (Some(name), Some(value)) =
            (faults.check("environment", parsed), faults.check("environment", value))
            && environment.insert(name, value).is_some()
        {
            faults.at("environment", format!("`{line}` names a variable twice"));
        }
    }
    environment
}

/// Writes a value on one line.
fn on_a_line(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n")
}

/// Reads a value from its line.
fn of_a_line(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('n') => value.push('\n'),
                other => value.extend(other),
            },
            (char, false) => value.push(char),
        }
    }
    value
}

/// The fields of the form, in groups.
pub(super) struct Inputs {
    pub(super) main: Vec<Input>,
    pub(super) rights: Vec<Input>,
    pub(super) limits: Vec<Input>,
}

/// Returns the fields of the form.
pub(super) fn inputs(
    form: &Form,
    faults: &FormFaults,
    providers: Vec<AgentProvider>,
    is_new: bool,
) -> Inputs {
    let filled = |input: Input, name: &str| input.value(form.text(name)).fault(faults.of(name));
    let line = |name: &'static str, label: &'static str, help: &str| {
        filled(Input::line(name, label), name).help(help)
    };
    let area = |name: &'static str, label: &'static str, rows, help: &str| {
        filled(Input::area(name, label, rows), name).help(help)
    };
    let providers = providers.into_iter().map(|name| (name.to_string(), name.to_string()));
    let providers = std::iter::once((String::new(), "The default".to_owned())).chain(providers);
    let profiles = PermissionProfile::ALL.iter().map(|one| (one.as_str(), words::permissions(*one)));
    let mut main = vec![
        area("description", "Description", 2, ""),
        filled(Input::choice("provider", "Provider", providers), "provider"),
        line("model", "Model", "Empty for the agent's default."),
        line(
            "workspace",
            "Workspace",
            "A folder. Empty for one of the project's name, or where it is now if that is a pod.",
        ),
        line("repository", "Repository", "In Woodpecker CI, such as acme/billing. Empty for none."),
        line("max_running", "Commands at once", ""),
    ];
    if is_new {
        let name = line(
            "name",
            "Name",
            "Lower-case letters, digits, and - _ . between them. It cannot be changed later.",
        );
        main.insert(0, name.pattern(PROJECT_SLUG_PATTERN).required());
    } else {
        main.push(filled(Input::check("archived", "Archived: takes no commands"), "archived"));
    }
    Inputs {
        main,
        rights: vec![
            filled(Input::choice("permissions", "Permissions", profiles), "permissions"),
            area(
                "allowed_tools",
                "Allowed tools",
                2,
                "Besides those of the permissions, one a line: Bash(cargo *).",
            ),
            area("denied_tools", "Denied tools", 2, "One a line. They take precedence."),
            area("secrets", "Secrets", 2, "Names of credentials that its runs get, one a line."),
            area("environment", "Variables", 2, "NAME=value, one a line. They are no secrets."),
        ],
        limits: vec![
            line("wall", "Longest run", "Such as 2h. Empty for 1h."),
            line("idle", "Longest silence", "Empty for 5m."),
            line("tool_idle", "Longest silence of a tool", "Empty for 30m."),
            line("start", "Longest start", "Empty for 30s."),
            line("turns", "Most turns", "Empty for no limit."),
            line("budget", "Budget in US dollars", "Of a run. Empty for no limit."),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_round_trip_on_a_line() {
        for value in ["", "a=b", "two\nlines", "C:\\new\\\n", "\\\\"] {
            assert_eq!(of_a_line(&on_a_line(value)), value);
            assert!(!on_a_line(value).contains('\n'));
        }
    }
}
