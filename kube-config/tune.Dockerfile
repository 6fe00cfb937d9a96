# A worker of the search (make tune), for kube-config/tune-job.yaml. Built from the repository root:
#   docker build --platform linux/amd64 -t digit_recognizer_tune:v1 -f kube-config/tune.Dockerfile .
#
# checkov:skip=CKV_DOCKER_2: A worker has an end, and Kubernetes starts it again if it fails. Nobody asks it how it is.
#
# It holds everything that training needs, TensorFlow among it: large, and not meant to serve.
FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    # The root file system is read-only; what libraries keep for themselves goes to /tmp.
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TF_CPP_MIN_LOG_LEVEL=3

WORKDIR /app
COPY requirements.txt pyproject.toml LICENSE README.md /app/
COPY web_service/requirements.txt /app/web_service/requirements.txt
COPY digits /app/digits
# The package holds these two as well.
COPY web_service/app /app/web_service/app
COPY models/digits.h5 models/lines.h5 /app/models/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python --no-cache-dir install --requirement requirements.txt \
    && chmod -R a+rX /app
COPY data/train.csv.gz /app/data/train.csv.gz
RUN chmod -R a+rX /app/data

USER 10001:10001
ENTRYPOINT ["python", "-m", "digits.exploration.search"]
