//! The project of the current folder.

use rdev_cli::output::say;
use rdev_cli::{Failure, Outcome, Session, is_loopback};
use rdev_runner_client::{
    Client, NewProject, NewWorkspace, PageRequest, Project, ProjectFilter, ProjectPatch,
};
use rdev_runner_domain::project_slug;

use crate::projects::absolute;

/// The number of names that are tried for a new project.
const MAX_NAMES: u32 = 50;
/// The longest name that is made from a folder's, in characters, so that a number fits behind it.
const MAX_NAME: usize = 120;

/// Returns the name of the project whose workspace is the current folder, and whether it is new: it is made if there is
/// none.
pub(super) async fn of_folder(session: &Session, client: &Client) -> Outcome<(String, bool)> {
    if !is_loopback(&session.settings.url.value) {
        let message = format!("{} may be another machine, without this folder", session.settings.url.value);
        return Err(Failure::usage(message).with_command("run --project PROJECT PROMPT"));
    }
    let here = std::path::Path::new(".");
    let folder = here.canonicalize();
    let folder = folder.map_err(|error| Failure::usage(format!("there is no current folder: {error}")))?;
    let folder = absolute(&folder)?;
    if let Some(name) = find(session, client, &folder).await? {
        return Ok((name, false));
    }
    let base = name_of(&folder);
    for number in 1..=MAX_NAMES {
        let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        if let Some(is_new) = make(session, client, &name, &folder).await? {
            return Ok((name, is_new));
        }
    }
    Err(Failure::failed(format!("there are {MAX_NAMES} projects named like {base}"))
        .with_command("projects create PROJECT --path .   (and then run --project PROJECT PROMPT)"))
}

async fn find(session: &Session, client: &Client, folder: &str) -> Outcome<Option<String>> {
    let mut cursor = None;
    loop {
        let page = PageRequest { limit: Some(100), cursor };
        let page = session.done(client.list_projects(ProjectFilter::default(), &page).await)?.into_value();
        if let Some(project) = page.data.iter().find(|project| is_in(project, folder)) {
            return Ok(Some(project.name.clone()));
        }
        cursor = page.next_cursor;
        if !page.has_more || cursor.is_none() {
            return Ok(None);
        }
    }
}

fn is_in(project: &Project, folder: &str) -> bool {
    project.workspace.kind == "local" && project.workspace.path.as_deref() == Some(folder)
}

/// Makes a project. Returns whether it is new; `None` if the name belongs to a project of another folder.
async fn make(session: &Session, client: &Client, name: &str, folder: &str) -> Outcome<Option<bool>> {
    let workspace = Some(Some(NewWorkspace::local(folder)));
    let settings = ProjectPatch { workspace, ..ProjectPatch::default() };
    let project = NewProject { name: name.to_owned(), settings };
    match client.create_project(&project).await {
        Ok(_) => {
            say(&format!("Project {name} is made for {folder}."));
            Ok(Some(true))
        }
        // Another command may have made it in the meantime.
        Err(error) if error.problem().is_some_and(|problem| problem.code == "project_exists") => {
            let is_of_folder = is_in(&*session.done(client.get_project(name).await)?, folder);
            Ok(is_of_folder.then_some(false))
        }
        Err(error) => session.done(Err(error)),
    }
}

/// Returns the name of a folder's project.
fn name_of(folder: &str) -> String {
    let last = folder.rsplit('/').next().unwrap_or_default();
    let cut: String = last.chars().take(MAX_NAME).collect();
    project_slug(&cut).unwrap_or_else(|| "workspace".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_folder_becomes_a_valid_one() {
        for (folder, name) in [
            ("/srv/my-project", "my-project"),
            ("/srv/Mein Projekt é ", "mein-projekt"),
            ("/srv/a\nb", "a-b"),
            ("/srv/.config", "config"),
            ("/srv/..", "workspace"),
            ("/srv/é", "workspace"),
            ("/", "workspace"),
        ] {
            assert_eq!(name_of(folder), name, "{folder:?}");
        }
        assert_eq!(name_of(&format!("/{}", "a".repeat(200))).len(), MAX_NAME);
    }
}
