# make demo and make test need nothing but Python 3.11-3.13 and make; all else goes into .venv.
# PYTHON=/path/to/python chooses the interpreter that .venv is built with.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test faults fuzz bench science check cloud-check container-check retention-check upgrade-check sbom no-sbom constraints clean witness FORCE docs

# Another project's settings must not reach ours: a Prefect server or profile chosen in this
# shell, an active virtual environment, other modules on the path. What `make up` takes for its
# own server is let through: the credential that protects it, and the database that it keeps.
for_our_server := PREFECT_SERVER_API_AUTH_STRING PREFECT_SERVER_DATABASE_CONNECTION_URL
unexport $(filter-out $(for_our_server),$(filter PREFECT_%,$(.VARIABLES)))
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_CONSTRAINT PIP_REQUIRE_VIRTUALENV
# Prefect starts a process for each run, and twice as slowly where no byte code is kept.
unexport PYTHONDONTWRITEBYTECODE

# Every path below is relative, so a folder with spaces in its name does no harm.
bin := .venv/bin
# Written last, so an interrupted installation has none. It names the folder, since a copied
# or moved .venv would go on running the code of the old place.
ready := .venv/.ready
sbom := build/sbom/.ready
ifneq ($(shell test -x $(bin)/python && cat $(ready) 2>/dev/null),$(CURDIR))
$(ready): FORCE
endif
# Looked at only where it is needed, since Python takes a moment to start.
ifneq ($(filter sbom container-check,$(MAKECMDGOALS)),)
ifneq ($(shell build/sbom/bin/python -m cyclonedx_py environment --help >/dev/null 2>&1 && echo works),works)
$(sbom): FORCE
endif
endif

help: ## this list
	@echo 'PANOPTES network'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(ready) ## a night of one unit through the whole system, on this machine (BACKEND=gcp: on emulators)
	@case "$(or $(BACKEND),local)" in \
	local) $(bin)/panoptes-network demo $(ARGS) ;; \
	gcp) $(bin)/python -m tests.emulators.demo $(ARGS) ;; \
	*) echo 'BACKEND is local or gcp.' >&2; exit 2 ;; \
	esac

up: $(ready) ## server, worker and deployments on this machine, until Ctrl-C
	@$(bin)/panoptes-network up $(ARGS)

test: check witness ## check, then all tests (ARGS='-k name' for some of them)
	@$(bin)/python -m pytest -n auto --dist loadgroup $(ARGS)

bench: $(ready) witness ## measure against other programs, under 45 minutes (QUICK=1: under 12; ARGS='--only live': a part)
	@$(bin)/python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

docs: $(ready) ## the docs site, into build/docs (installs Sphinx, once)
	@$(bin)/python -c 'import furo, myst_parser, sphinx' 2>/dev/null || \
	    $(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@$(bin)/python docs/build.py

science: $(ready) ## what the images are worth: solving, scatter, transits kept, planets found; AstroWISP beside it (25 minutes)
	@$(bin)/python -c 'import astrowisp' 2>/dev/null || \
	    $(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[science]'
	@OMP_NUM_THREADS=1 $(bin)/python -m benchmarks.science $(ARGS)

check: $(ready) ## style, types, who imports whom, and that the tables in docs are current
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo --no-cache
	@$(bin)/python -m panoptes.network.keywords | diff docs/keywords.md - \
	    || { echo 'not current: $(bin)/python -m panoptes.network.keywords > docs/keywords.md'; exit 1; }
	@$(bin)/python -m panoptes.network.errors | diff docs/quarantine.md - \
	    || { echo 'not current: $(bin)/python -m panoptes.network.errors > docs/quarantine.md'; exit 1; }

faults: $(ready) ## everything that can break, broken; report in build/faults.md (FAULT_SEED=n repeats one, FAULT_SEEDS=n)
	@seeds=$${FAULT_SEEDS:-$${FAULT_SEED:+1}}; seeds=$${seeds:-5}; seed=$${FAULT_SEED:-$$(date +%s)}; \
	echo "Seeds $$seed to $$((seed + seeds - 1)): FAULT_SEED=n make faults repeats one."; \
	FAULTS=long FAULT_SEED=$$seed FAULT_SEEDS=$$seeds $(bin)/python -m pytest tests/faults \
	    -q -n 3 --dist loadgroup -o faulthandler_timeout=2400 $(ARGS)

fuzz: $(ready) ## damaged files through the whole ingest (N=100000 of them, FIRST=n); build/fuzz/report.txt
	@$(bin)/python -m tests.fuzz --count $(or $(N),10000) --first $(or $(FIRST),0) $(ARGS)

cloud-check: $(ready) ## what can be checked here of Google Cloud, Kubernetes and clusters (with gcloud, and with Ray)
	@CLOUD_CHECK=1 $(bin)/python -m pytest -q -n0 tests/deployments/cloud tests/deployments/observability \
	    tests/flows/test_clusters.py tests/deployments/work_pools/test_pool_types.py \
	    tests/deployments/work_pools/test_kubernetes.py tests/deployments/work_pools/test_cloud_run.py $(ARGS)

container-check: $(ready) $(sbom) ## the container image built and run, as root with podman, runc and mmdebstrap
	@CONTAINER_CHECK=1 $(bin)/python -m pytest -q -n0 tests/deployments/container \
	    -o faulthandler_timeout=3600 $(ARGS)

retention-check: $(ready) ## that Prefect's database on PostgreSQL stays as it is over ten periods
	@RETENTION_CHECK=1 $(bin)/python -m pytest -q -n0 -s tests/deployments/test_history_kept.py \
	    -o faulthandler_timeout=3600 $(ARGS)

upgrade-check: $(ready) ## workers of an older version and of this one on one server (needs git's history)
	@UPGRADE_CHECK=1 $(bin)/python -m pytest -q -n0 -s tests/released/test_side_by_side.py $(ARGS)

sbom: no-sbom $(ready) $(sbom) ## what is installed in .venv, as CycloneDX, into build/sbom.json
	@build/sbom/bin/python -m cyclonedx_py environment --pyproject pyproject.toml \
	    --output-reproducible -o build/sbom.part $(bin)/python && mv build/sbom.part build/sbom.json

# A list of before must not pass for that of a run that fails.
no-sbom:
	@rm -f build/sbom.json

constraints: ## renew the pins in constraints.txt from the package index
	@$(find_python); \
	work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
	echo 'Resolving the newest versions that pyproject.toml allows...' && \
	"$$python" -m venv "$$work/venv" && \
	"$$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[test,docs,science,ray,sbom]' && \
	"$$work/venv/bin/python" -m pip list --format=freeze --exclude-editable \
	    --exclude pip --exclude setuptools --disable-pip-version-check > "$$work/pins" && \
	LC_ALL=C sort -f "$$work/pins" > constraints.txt && \
	echo "constraints.txt holds $$(grep -c == constraints.txt) pins; run make test before committing them."

clean: ## remove .venv and everything else that make and the tests have made
	@rm -rf .venv build demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	@find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# In an environment of its own, as pyproject.toml says.
$(sbom): constraints.txt | $(ready)
	@rm -rf build/sbom && $(bin)/python -m venv build/sbom && build/sbom/bin/python -m pip install --quiet \
	    --disable-pip-version-check -c constraints.txt cyclonedx-bom && touch $@

$(ready): pyproject.toml constraints.txt
	@$(find_python); \
	if [ ! -f $(ready) ] || [ "$$(cat $(ready))" != "$$(pwd -P)" ]; then \
	    rm -rf .venv; \
	    echo "Building .venv with $$("$$python" -V) (some minutes, once)..."; \
	    "$$python" -m venv .venv || exit 1; \
	else \
	    echo 'pyproject.toml or constraints.txt has changed: bringing .venv up to date...'; \
	    rm -f $(ready); \
	fi; \
	$(bin)/python -m pip install --quiet --disable-pip-version-check --compile \
	    -c constraints.txt -e '.[test]' && \
	pwd -P > $(ready)

# The first Python of a fitting version that can make virtual environments; PYTHON, where given,
# is the only candidate.
define find_python
python=; without=; \
for candidate in $(if $(PYTHON),"$$PYTHON",python3.11 python3.12 python3.13 python3 python); do \
    "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        2>/dev/null || continue; \
    if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then \
        python=$$candidate; break; \
    fi; \
    without=$$candidate; \
done; \
if [ -z "$$python" ] && [ -n "$$without" ]; then \
    echo "$$without lacks the venv module: install it (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; \
elif [ -z "$$python" ]; then \
    echo 'Python 3.11, 3.12 or 3.13 is needed$(if $(PYTHON), and PYTHON names another): install it, or name it as in make PYTHON=/path/to/python3.11.' >&2; exit 1; \
fi
endef
export PYTHON

# funpack is the independent witness that our compressed files are read by other programs, and
# Chromium looks at the site as people do. Where one is missing the tests that ask it are
# skipped; continuous integration installs both.
witness:
	@$(call witnessed,funpack,libcfitsio-bin)
	@$(call witnessed,chromium,chromium)

define witnessed
if [ -z "$$CI" ] || command -v $(1) >/dev/null 2>&1; then :; \
elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
    echo 'Installing $(1) ($(2))...'; \
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
        --no-install-recommends $(2); } >/dev/null 2>&1 \
        || echo '$(1) could not be installed: tests that need it will be skipped.'; \
else \
    echo '$(1) is missing (install $(2)): tests that need it will be skipped.'; \
fi
endef
