"""One deploy at a time in a database: `one_deploy`, for env.py. This path is public; the lock is in deploy/."""

from analyzer.migrate.deploy.deploy_lock import one_deploy

__all__ = ["one_deploy"]
