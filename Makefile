# Every command a person on the project needs. `make` alone prints them.
# With an environment of your own: make <target> PYTHON=python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
# A rendering that fails must not be applied.
.SHELLFLAGS := -o pipefail -c

PYTHON_BASE ?= python3
DATA ?= data/train.csv.gz
MODEL ?= models/digits.h5
LINE_MODEL ?= models/lines.h5
PAGE_MODEL ?= models/pages.h5
# Who wrote each digit of data/train.csv.gz; it is no part of the repository.
WRITERS ?= ../shared/writers.npz
PORT ?= 9696
IMAGE ?= digit_recognizer:v1
OVERLAY ?= production
export PORT IMAGE COMPONENTS CANARY_IMAGE CERTIFICATE CLIENTS

HELD_OUT_WRITERS := $(if $(filter-out data/train.csv.gz,$(DATA)),,$(if $(wildcard $(WRITERS)),--hold-out-writers '$(WRITERS)'))

# Hides TensorFlow's C++ notes, such as a GPU driver that it does not find; what fails still raises in Python.
export TF_CPP_MIN_LOG_LEVEL ?= 3

ifdef PYTHON
# The person's own environment: nothing is installed into it.
READY :=
SERVE_PYTHON := $(PYTHON)
SERVE_READY :=
else
PYTHON := .venv/bin/python
READY := .venv/.ready
# The server needs no TensorFlow. Where .venv is not made yet, what it needs is installed by itself, in seconds.
SERVE_READY := $(if $(wildcard $(READY)),$(READY),.venv-serve/.ready)
SERVE_PYTHON := $(dir $(SERVE_READY))bin/python
endif

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z_]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z_]+):.*## (.*)/\1\t\2/' | expand -t 20

.PHONY: setup
setup: $(READY) ## Make .venv and install requirements.txt into it (other targets do this by themselves)

.venv/.ready: requirements.txt web_service/requirements.txt digits/requirements.txt digits/scoring/requirements.txt \
    digits/training/requirements.txt pyproject.toml
	@$(PYTHON_BASE) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	    f"error: {sys.executable} is Python {v[0]}.{v[1]}, expected 3.11 to 3.13; name one: make setup PYTHON_BASE=python3.12")'
	$(PYTHON_BASE) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# watchfiles, for the reload, has its pin in requirements.txt.
.venv-serve/.ready: web_service/requirements.txt digits/requirements.txt
	@$(PYTHON_BASE) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else \
	    f"error: {sys.executable} is Python {v[0]}.{v[1]}, expected 3.11 to 3.14; name one: make test_server PYTHON_BASE=python3.12")'
	$(PYTHON_BASE) -m venv .venv-serve
	.venv-serve/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
	    -r web_service/requirements.txt -r digits/requirements.txt "$$(grep -o '^watchfiles==[^ ]*' requirements.txt)"
	@touch $@

.PHONY: run_train
run_train: $(READY) ## Train and write models/digits.h5 (DATA=train.csv TEST=test.csv ARGS="--resume --seed 1")
	$(PYTHON) train.py --data '$(DATA)' $(if $(TEST),--test '$(TEST)') --output '$(MODEL)' $(ARGS)

.PHONY: train_lines
train_lines: $(READY) ## Train what reads several digits at once and write models/lines.h5, in one to two hours (LINE_MODEL=models/lines.h5 ARGS=--resume)
	$(PYTHON) -m digits.training.line_recogniser --data '$(DATA)' --output '$(LINE_MODEL)' $(ARGS)

.PHONY: train_pages
train_pages: $(READY) ## Train what finds the digits of a page and write models/pages.h5, in about an hour (PAGE_MODEL=models/pages.h5 ARGS=--resume)
	$(PYTHON) -m digits.training.page_detector --data '$(DATA)' --output '$(PAGE_MODEL)' $(ARGS)

.PHONY: fast_train
fast_train: $(READY) ## Train for a minute or two into models/fast.h5, to see it work
	$(PYTHON) train.py --data '$(DATA)' $(if $(TEST),--test '$(TEST)') --fast --output models/fast.h5 $(ARGS)

.PHONY: validate
validate: $(READY) ## Train on 50,000 of the training digits and score the other 10,000, for choosing settings (WRITERS=writers.npz)
	@echo '$(if $(HELD_OUT_WRITERS),Scores digits of writers who wrote none of the training digits.,Without a file of \
	    writers for this DATA, scores a random sixth; its writers wrote training digits as well.)'
	$(PYTHON) train.py --data '$(DATA)' $(if $(findstring --hold-out,$(ARGS)),,$(or $(HELD_OUT_WRITERS),--hold-out)) --output models/validation.h5 $(ARGS)

.PHONY: model_card
model_card: $(READY) ## Make the tables and pictures of docs/model-card.md from the model and the benchmarks' files
	$(PYTHON) -m benchmarks.model_card.make

.PHONY: notebook
notebook: $(READY) ## Run baseline.ipynb from top to bottom, about 15 minutes; QUICK=1: a slice, into reports/
	$(if $(TRIALS),SEARCH_TRIALS=$(TRIALS)) $(if $(STORAGE),SEARCH_STORAGE='$(STORAGE)') $(if $(QUICK),NOTEBOOK_QUICK=1) \
	    $(PYTHON) -m digits.exploration.notebook baseline.ipynb $(if $(QUICK),--output reports/baseline-quick.ipynb --kept reports/quick)

.PHONY: tune
tune: $(READY) ## Search for a network (TRIALS=40 WORKERS=2 STORAGE=... DATA=train.csv); goes on where it was
	$(if $(STORAGE),SEARCH_STORAGE='$(STORAGE)') $(PYTHON) -m digits.exploration.search --data '$(DATA)' $(if $(TRIALS),--trials $(TRIALS)) \
	    $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

.PHONY: submission
submission: $(READY) ## Read the digits of TEST=test.csv into Kaggle's submission.csv (MODEL=models/digits.h5)
	@test -n "$(TEST)" || { echo 'error: name the file to read: make submission TEST=path/to/test.csv' >&2; exit 1; }
	$(PYTHON) -m digits.scoring.submission --model '$(MODEL)' '$(TEST)' submission.csv

.PHONY: score
score: $(READY) ## Read many digits from INPUT=file, folder or glob into OUTPUT=scores/ (TASK=read ENGINE=ray ADDRESS=auto ARGS="--json"); goes on where it was
	@test -n "$(INPUT)" -a -n "$(OUTPUT)" || { echo "error: name both: make score INPUT='scans/*.png' OUTPUT=scores/" >&2; exit 1; }
	$(PYTHON) -m digits.scoring.run --model '$(MODEL)' --line-model '$(LINE_MODEL)' $(if $(TASK),--task '$(TASK)') \
	    $(if $(ENGINE),--engine '$(ENGINE)') $(if $(ADDRESS),--address '$(ADDRESS)') $(ARGS) '$(INPUT)' '$(OUTPUT)'

.PHONY: test_server
test_server: $(SERVE_READY) ## Serve on port 9696 and reload on a change
	$(SERVE_PYTHON) -m uvicorn app.predict:app --app-dir web_service --port $(PORT) --reload --reload-dir web_service --reload-dir digits

.PHONY: test_client
test_client: ## Post row_data.json to the running server
	@curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
	    --data @row_data.json http://localhost:$(PORT)/predict && echo

.PHONY: screenshot
screenshot: $(READY) ## Read the sample on the page in a browser and write docs/page.png, the picture in README.md
	$(PYTHON) -m tests.service.screenshot

.PHONY: sample_page
sample_page: $(READY) ## Draw the sample that the page offers to read, web_service/app/static/sample.webp
	$(PYTHON) -m digits.synthesis.sample_page web_service/app/static/sample.webp

.PHONY: docker_build
docker_build: ## Build the image digit_recognizer:v1
	docker build --platform linux/amd64 -t $(IMAGE) -f web_service/Dockerfile .

.PHONY: docker_run
docker_run: ## Run the image on port 9696
	docker run --rm -p $(PORT):9696 $(IMAGE)

.PHONY: docker_test
docker_test: ## Build the image, run it confined, ask it for a digit, stop it (without Docker: by Buildah)
	tests/deploy/docker_test.sh

.PHONY: deploy
deploy: ## Apply kube-overlays/production with your image (IMAGE=<registry>/<repository>:<tag> COMPONENTS="tls known-clients")
	kube-overlays/render.sh $(OVERLAY) | kubectl apply -f -
	kubectl --namespace digits rollout status deployment/gateway --timeout 20m

# Apart from .venv: these tools bring packages that change how others behave, such as jsonschema's checks of formats.
.venv-tools/.ready:
	$(PYTHON_BASE) -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@

.PHONY: sbom
sbom: .venv-tools/.ready ## Write reports/sbom.json: what the image installs, as CycloneDX
	@mkdir -p reports
	.venv-tools/bin/cyclonedx-py requirements web_service/requirements.lock --pyproject pyproject.toml \
	    --output-reproducible --output-file reports/sbom.json

.PHONY: audit
audit: .venv-tools/.ready ## Ask for known holes in what the image installs
	.venv-tools/bin/pip-audit --strict --require-hashes --disable-pip --requirement web_service/requirements.lock

.venv-policy/.ready: tests/deploy/requirements.txt
	$(PYTHON_BASE) -m venv .venv-policy
	.venv-policy/bin/python -m pip install --quiet --disable-pip-version-check -r tests/deploy/requirements.txt
	@touch $@

.PHONY: policy
policy: .venv-policy/.ready ## Check manifests, Dockerfiles and workflows against schemas and checkov's and zizmor's policies
	tests/deploy/check_policy.sh

# One process a core takes one file of tests at a time; each has servers and networks of its own.
PYTEST = $(PYTHON) -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: test
test: lint ## Lint, check types and run every test
	$(PYTEST) $(ARGS)

.PHONY: check
check: lint ## Check style, types and the quick tests of what changed since HEAD (ROOM=digits/preprocessing: of one room)
	@tests=$$($(PYTHON) -m tests.changed $(ROOM)) && set -x && $(PYTEST) -m 'not slow' $(ARGS) $$tests

.PHONY: lint
lint: $(READY) ## Check style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

.PHONY: format
format: $(READY) ## Format the code and mend what can be mended by itself
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

.PHONY: clean
clean: ## Remove the environments, reports and caches; the trained model stays
	rm -rf .venv .venv-serve .venv-tools .venv-policy reports .pytest_cache .ruff_cache .mypy_cache *.egg-info
