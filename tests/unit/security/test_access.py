"""Roles, bindings and identities, compared with a table written down a second time by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.errors import ConfigError
from scrollintel.security.access import (
    ALL,
    ANONYMOUS,
    LOCAL_OPERATOR,
    ROLES,
    Binding,
    Identity,
    IdentityKind,
    Permission,
    Role,
)

# Rows: permissions. Columns: viewer, operator, admin, auditor, approver, replica.
TABLE = """
circuits.read          x x x x x .
circuits.operate       . x x . . .
circuits.configure     . . x . . .
degradation.read       x x x x x .
degradation.set        . x x . . .
recovery.read          x x x x x .
recovery.start         . x x . . .
recovery.request       . x x . . .
recovery.approve       . . . . x .
policies.read          x x x x x .
policies.write         . . x . . .
services.read          x x x x x .
services.write         . . x . . .
health.read            x x x x x .
metrics.read           x x x x x .
events.read            x x x x x .
defaults.read          x x x x x .
replicas.read          x x x x x .
replicas.join          . . x . . x
configuration.read     . . x x . .
configuration.write    . . x . . .
configuration.approve  . . . . x .
audit.read             . . x x . .
audit.export           . . . x . .
audit.verify           . . x x . .
tokens.read            . . x x . .
tokens.write           . . x . . .
roles.read             . . x x . .
subjects.erase         . . x . . .
keys.rotate            . . x . . .
"""
COLUMNS = ("viewer", "operator", "admin", "auditor", "approver", "replica")
EXPECTED = {
    (role, row.split()[0]): mark == "x"
    for row in TABLE.strip().splitlines()
    for role, mark in zip(COLUMNS, row.split()[1:], strict=True)
}
SCOPES = (("orders",), ("orders", "billing"), ("*",))
TARGETS = ("orders", "billing", "stock", "*", None)


def test_access_table_names_every_permission_and_role() -> None:
    """The hand-written table covers exactly the permissions and roles that exist."""
    assert {permission for _, permission in EXPECTED} == {permission.value for permission in Permission}
    assert set(COLUMNS) == {role.value for role in Role} == {role.value for role in ROLES}


@pytest.mark.parametrize("role, permission", list(product(Role, Permission)))
def test_identity_of_one_role_is_allowed_what_the_table_says(role: Role, permission: Permission) -> None:
    """For every role, permission, scope and target the decision is the table's, and never more."""
    granted = EXPECTED[role.value, permission.value]
    for scope in SCOPES:
        if role is Role.REPLICA and scope != ("orders",):
            continue
        identity = Identity("tok_1", IdentityKind.TOKEN, bindings=(Binding(role, scope),))
        for target in TARGETS:
            reached = scope == ("*",) or target in scope
            assert identity.allows(permission, target) is (granted and reached), (scope, target)
        assert identity.may(permission) is granted
        expected_scope = (ALL if scope == ("*",) else frozenset(scope)) if granted else frozenset()
        assert identity.services_for(permission) == expected_scope


BINDINGS = st.builds(
    Binding,
    st.sampled_from([role for role in Role if role is not Role.REPLICA]),
    st.one_of(st.just(("*",)), st.lists(st.sampled_from(["orders", "billing", "stock"]), min_size=1).map(tuple)),
)


@given(st.lists(BINDINGS, max_size=5), st.sampled_from(Permission), st.sampled_from(TARGETS))
def test_identity_of_several_bindings_is_allowed_what_one_of_them_grants(
    bindings: list[Binding], permission: Permission, target: str | None
) -> None:
    """Bindings add up and do not mix: a role on one service gives nothing on the service of another role."""
    identity = Identity("tok_1", IdentityKind.TOKEN, bindings=tuple(bindings))
    expected = any(
        EXPECTED[binding.role.value, permission.value] and (binding.services == ("*",) or target in binding.services)
        for binding in bindings
    )
    assert identity.allows(permission, target) is expected
    assert (target in identity.services_for(permission)) is expected
    assert identity.may(permission) is any(EXPECTED[binding.role.value, permission.value] for binding in bindings)


def test_anonymous_may_do_nothing() -> None:
    """Without proof of who is asking, everything is refused."""
    assert not any(ANONYMOUS.may(permission) for permission in Permission)
    assert not any(ANONYMOUS.allows(permission, target) for permission in Permission for target in TARGETS)


def test_local_operator_may_do_everything() -> None:
    """Who sits at the machine may do all; a second confirmation stands in for the second person."""
    assert all(LOCAL_OPERATOR.allows(permission, None) for permission in Permission)


def test_identity_permission_of_foreign_type_is_refused() -> None:
    """What is no permission is granted to nobody, not even to the local operator."""
    assert not LOCAL_OPERATOR.allows("circuits.destroy", "orders")  # type: ignore[arg-type]


def test_binding_services_are_sorted_and_unique() -> None:
    """Two ways of writing the same grant are equal."""
    assert Binding(Role.VIEWER, ("b", "a", "b")) == Binding(Role.VIEWER, ("a", "b"))


def test_binding_round_trips_through_json_values() -> None:
    """What is stored reads back as the same binding."""
    binding = Binding(Role.OPERATOR, ("orders", "billing"))
    assert Binding.from_dict(binding.to_dict()) == binding
    assert binding.to_dict() == {"role": "operator", "services": ["billing", "orders"]}


@pytest.mark.parametrize(
    "role, services",
    [
        ("root", ("orders",)),
        ([], ("orders",)),
        ("viewer", ()),
        ("viewer", "orders"),
        ("viewer", None),
        ("viewer", ("",)),
        ("viewer", ("a\nb",)),
        ("viewer", (1,)),
        ("viewer", ("*", "orders")),
        ("viewer", tuple(str(number) for number in range(1001))),
        ("replica", ("*",)),
        ("replica", ("orders", "billing")),
    ],
)
def test_binding_that_breaks_a_rule_is_refused(role: object, services: object) -> None:
    """Unknown roles, unusable names and contradictions never become a grant."""
    with pytest.raises(ConfigError):
        Binding(role, services)  # type: ignore[arg-type]


def test_binding_with_two_mistakes_reports_both() -> None:
    """Every mistake is named at once."""
    with pytest.raises(ConfigError) as caught:
        Binding("root", ())  # type: ignore[arg-type]
    assert [violation.field for violation in caught.value.violations] == ["role", "services"]


@pytest.mark.parametrize("value", [None, [], {"role": "viewer"}, {"role": "viewer", "services": ["a"], "more": 1}])
def test_binding_from_other_values_is_refused(value: object) -> None:
    """A row or request of another shape is refused, unknown fields included."""
    with pytest.raises(ConfigError):
        Binding.from_dict(value)


def test_identity_expires_at_its_time_and_not_before() -> None:
    """The end belongs to the time after it."""
    end = datetime(2026, 1, 1, tzinfo=UTC)
    identity = Identity("oidc_1", IdentityKind.OIDC, expires_at=end)
    assert not identity.is_expired(end - timedelta(microseconds=1))
    assert identity.is_expired(end)
    assert not ANONYMOUS.is_expired(end)


def test_identity_repr_leaves_the_subject_out() -> None:
    """A log line that shows an identity shows no person."""
    assert "ada" not in repr(Identity("tok_1", IdentityKind.TOKEN, "ada@example.com"))
