"""What a caller may see: the one place of the API that makes scopes."""

from api.auth import Identity
from api.errors import Forbidden, NotAuthorized
from storage.query import EVERYTHING, Scope


def scope(identity: Identity) -> Scope:
    """Everything for administrators, the own project for everybody else.

    Raises Forbidden for a caller that is neither an administrator nor in a project.
    """
    if identity.is_admin:
        return EVERYTHING
    if not identity.project_id:
        raise Forbidden
    return Scope(project_id=identity.project_id)


def check_project(scope: Scope, project_id: str) -> None:
    """Raises NotAuthorized if a filter names a project outside the scope, whether it exists or not."""
    if not scope.allows(project_id):
        raise NotAuthorized(project_id)
