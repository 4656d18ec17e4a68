#!/usr/bin/env bash
# Fetches the two jars that Delta needs, once, with the Ivy that pyspark brings, and checks them against infra/delta_jars.sha256.
set -euo pipefail
cd "$(dirname "$0")/.."
jars=.local/jars
mkdir -p "$jars"
ivy=$(ls .venv/lib/python3.11/site-packages/pyspark/jars/ivy-*.jar)
while read -r _ file; do
  [ -f "$jars/$file" ] && continue
  name=${file%-*.jar}
  version=${file#"$name"-}
  # -types jar: without sources and javadoc; -notransitive: the other 31 that come along are not needed.
  java -jar "$ivy" -warn -dependency io.delta "$name" "${version%.jar}" -notransitive -types jar -cache .local/ivy \
    -retrieve "$jars/[artifact]-[revision].[ext]" >/dev/null
done < infra/delta_jars.sha256
(cd "$jars" && sha256sum --quiet -c ../../infra/delta_jars.sha256)
touch "$jars/.checked"
