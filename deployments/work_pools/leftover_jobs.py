"""Job definitions that Cloud Run workers left behind.

A worker makes a job for each run and deletes it once that has ended, once: where Cloud Run
refuses then, or the worker dies before, the job stays, and a region of a project takes no more
than 1,000 (https://github.com/PrefectHQ/prefect/issues/16007).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from panoptes.network.errors import ConfigurationError, TransientError

LABEL = "prefect-io-flow-run-id"
"""Which Prefect's worker gives its jobs, and nobody else."""
TRIES = 5
"""Of a request that Cloud Run refuses for the moment, with pauses that grow."""


class CloudRunJobs:
    """The jobs of a project's region."""

    def __init__(self, project: str, region: str) -> None:
        """Raises ConfigurationError without application-default credentials."""
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from googleapiclient import discovery

        try:
            credentials, _ = google.auth.default(
                scopes=["https://www.googleapis.com/auth/cloud-platform"]
            )
        except DefaultCredentialsError as error:
            raise ConfigurationError(
                "there are no Google credentials: run gcloud auth application-default login"
            ) from error
        service = discovery.build("run", "v2", credentials=credentials)
        self._parent = f"projects/{project}/locations/{region}"
        self._jobs = service.projects().locations().jobs()

    def left_over(self, *, older_than: timedelta) -> Iterator[str]:
        """Names of Prefect's jobs that nobody needs, without project and region.

        The last execution of such a job ended more than `older_than` ago, or it was made so
        long ago and never begun. Raises ConfigurationError, TransientError.
        """
        before = datetime.now(UTC) - older_than
        request = self._jobs.list(parent=self._parent, pageSize=500)
        while request is not None:
            page = _done(request)
            for job in page.get("jobs", []):
                if LABEL in job.get("labels", {}) and _over_since(job) < before:
                    yield str(job["name"]).rpartition("/")[2]
            request = self._jobs.list_next(request, page)

    def delete(self, name: str) -> None:
        """A job with its executions; one that is gone is no error.

        Raises ConfigurationError, TransientError.
        """
        job = f"{self._parent}/jobs/{name}"
        for execution in _done(self._jobs.executions().list(parent=job)).get("executions", []):
            _done(self._jobs.executions().delete(name=execution["name"]))
        _done(self._jobs.delete(name=job))


def _over_since(job: dict[str, Any]) -> datetime:
    """When nothing more was to come; in the far future while it runs."""
    last = job.get("latestCreatedExecution") or {}
    if last and not last.get("completionTime"):
        return datetime.max.replace(tzinfo=UTC)
    return datetime.fromisoformat(last.get("completionTime") or job["createTime"])


def _done(request: Any) -> dict[str, Any]:
    from google.auth.exceptions import RefreshError, TransportError
    from googleapiclient.errors import HttpError
    from httplib2.error import HttpLib2Error

    try:
        done: dict[str, Any] = request.execute(num_retries=TRIES)
    except HttpError as error:
        if error.status_code == 404:
            return {}
        sentence = f"Cloud Run refused: {error.reason}"
        if error.status_code == 429 or error.status_code >= 500:
            raise TransientError(f"{sentence}; nothing is lost, try again later") from error
        raise ConfigurationError(
            f"{sentence}; whoever lists and deletes jobs needs roles/run.developer"
        ) from error
    except RefreshError as error:
        raise ConfigurationError(f"Google refused the credentials: {error}") from error
    except (HttpLib2Error, TransportError, OSError) as error:
        raise TransientError(f"Cloud Run cannot be reached: {error}") from error
    return done
