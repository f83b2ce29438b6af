//! What every [`ControlStore`] must do.

mod changes;
mod releases;
mod repeats;
mod secrets;
mod tenants;
mod versions;
mod witness;

use std::collections::BTreeMap;

use mayfly_types::{AppKey, OperationId, ReleaseNumber, Route, TenantName};

use super::{function, revision, unused_tenant};
use crate::{ControlStore, Error, GoLive, NewRelease, ReleaseRecord};

pub use changes::*;
pub use releases::*;
pub use repeats::*;
pub use secrets::*;
pub use tenants::*;
pub use versions::*;
pub use witness::Witness;

/// One test per behaviour: `control_suite!(open)`, where `open` is an async function that answers a
/// pointer to a fresh store.
#[macro_export]
macro_rules! control_suite {
    (@list $($how:tt)*) => {
        $crate::control_suite! { @run $($how)*;
            a_fresh_store_has_the_default_tenant
            a_tenant_is_made_once_and_keeps_its_account
            tenants_are_listed_by_name
            a_tenant_made_by_many_at_once_is_one
            nothing_is_made_for_a_tenant_that_is_not_there
            a_tenant_is_suspended_and_goes_on
            a_deleted_tenant_is_gone_with_all_it_had
            a_tenant_that_is_made_again_goes_on_with_its_numbers
            the_default_tenant_cannot_be_deleted
            a_budget_is_set_replaced_and_deleted
            every_change_of_a_tenant_is_told
            an_apps_first_release_takes_all_traffic
            a_release_reads_as_it_was_made
            release_numbers_count_from_one_in_each_app
            release_numbers_go_on_after_the_app_was_deleted
            releases_made_at_once_get_numbers_without_gaps
            a_percentage_is_shared_with_what_is_live
            a_wrong_percentage_makes_no_release
            a_release_that_does_not_go_live_leaves_live_alone
            live_moves_to_releases_that_are_there
            live_does_not_move_to_releases_that_are_not_there
            releases_are_listed_newest_first_in_pages
            apps_are_listed_by_name_in_pages
            a_deleted_app_is_gone_with_all_it_had
            an_app_that_is_not_there_cannot_be_deleted
            tenants_do_not_see_each_others_apps
            versions_count_from_one_in_each_function
            a_revision_that_is_the_newest_version_gets_no_other
            version_numbers_go_on_after_the_app_was_deleted
            aliases_are_made_moved_and_deleted
            an_alias_needs_versions_that_are_there
            a_secret_is_set_replaced_and_deleted
            secrets_belong_to_one_app
            a_token_is_found_by_its_hash
            a_token_of_the_same_name_is_replaced
            a_token_has_one_name
            a_repeated_release_is_made_once
            every_repeated_command_answers_as_it_did
            a_late_repetition_changes_nothing
            a_repeated_failure_answers_as_it_did
            one_operation_repeated_at_once_is_done_once
            operations_belong_to_their_tenant
            an_operation_is_one_kind_of_command
            commands_repeated_through_faults_take_effect_once
            every_change_of_an_app_is_told
            a_command_that_changes_nothing_is_not_told
            a_follower_ends_with_what_the_store_has
            all_apps_are_of_the_version_that_comes_with_them
            the_version_rises_when_an_app_changes
            a_version_from_the_future_answers_all_apps
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let store = $open().await;
            $crate::suite::control::$name(&*store).await;
        }
    )*};
    (@run all $store:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::control::$name($store)).await;
    )*};
    ($open:path) => { $crate::control_suite! { @list tests $open } };
}

/// Every behaviour on one store.
pub async fn all(store: &dyn ControlStore) {
    control_suite! { @list all store }
}

/// Makes a tenant that no other behaviour uses.
async fn tenant(store: &dyn ControlStore) -> TenantName {
    let name = unused_tenant();
    store.create_tenant(&name).await.unwrap();
    name
}

/// Makes a tenant and names an app in it.
async fn unused_app(store: &dyn ControlStore) -> AppKey {
    super::app(&tenant(store).await, "photos")
}

/// A release with everything a release can have.
fn new_release(app: &AppKey, go_live: GoLive) -> NewRelease {
    let names = ["thumb", "Mail_2"];
    let functions = names.map(|name| (function(name), revision(app, name, "code")));
    NewRelease {
        app: app.clone(),
        manifest: format!("app = \"{}\" # ü\n", app.app),
        routes: vec![
            Route {
                path: "/{*rest}".into(),
                methods: vec!["GET".into()],
                function: function("thumb"),
            },
            Route { path: "/mail".into(), methods: vec![], function: function("Mail_2") },
        ],
        functions: BTreeMap::from(functions),
        go_live,
        by: "laptop".into(),
    }
}

/// Makes a release.
async fn release(store: &dyn ControlStore, app: &AppKey, go_live: GoLive) -> ReleaseRecord {
    store.create_release(OperationId::new(), new_release(app, go_live)).await.unwrap()
}

/// What is live in an app.
async fn live(store: &dyn ControlStore, app: &AppKey) -> Vec<(u64, u32)> {
    let record = store.app(app).await.unwrap().unwrap();
    record.live.weights().iter().map(|(release, weight)| (release.0, *weight)).collect()
}

fn weights(weights: &[(u64, u32)]) -> mayfly_types::Live {
    let weights = weights.iter().map(|(release, weight)| (ReleaseNumber(*release), *weight));
    mayfly_types::Live::weighted(weights.collect()).unwrap()
}

#[track_caller]
fn assert_not_found<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::NotFound { .. })), "{answer:?}");
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
}
