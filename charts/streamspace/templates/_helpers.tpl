{{/* Names and what many objects share. */}}
{{- define "streamspace.name" -}}
{{- if contains "streamspace" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-streamspace" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "streamspace.selector" -}}
app.kubernetes.io/name: streamspace
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "streamspace.labels" -}}
{{ include "streamspace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The Deployments, as JSON: name, roles (none: all), replicas, resources. */}}
{{- define "streamspace.components" -}}
{{- $all := list }}
{{- if .Values.split.enabled }}
{{- range $role := list "api" "gateway" "controller" }}
{{- $own := get $.Values.split $role }}
{{- $all = append $all (dict "name" $role "role" $role "replicas" $own.replicas "resources" $own.resources) }}
{{- end }}
{{- else }}
{{- $all = append $all (dict "name" "server" "role" "" "replicas" .Values.replicas "resources" .Values.resources) }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/* The component that has a role. */}}
{{- define "streamspace.of" -}}
{{- if .root.Values.split.enabled }}{{ .role }}{{ else }}server{{ end }}
{{- end }}

{{- define "streamspace.publicHost" -}}
{{- $url := urlParse .Values.publicUrl }}
{{- $url.host | splitList ":" | first }}
{{- end }}

{{- define "streamspace.appsHost" -}}
*.{{ .Values.appsDomain | splitList ":" | first }}
{{- end }}

{{- define "streamspace.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "streamspace.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "streamspace.image" -}}
image: {{ printf "%s:%s" .repository .tag | quote }}
imagePullPolicy: {{ .pullPolicy }}
{{- end }}

{{/* Where the database is. */}}
{{- define "streamspace.database" -}}
{{- if .Values.postgresql.enabled }}
- { name: DB_HOST, value: {{ include "streamspace.name" . }}-postgresql }
- { name: DB_USER, value: streamspace }
- { name: DB_NAME, value: streamspace }
- name: DB_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: postgresql-password } }
{{- else }}
- name: DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: database-url } }
{{- end }}
{{- end }}

{{/* What every server is told. */}}
{{- define "streamspace.environment" -}}
- { name: ENGINE, value: kubernetes }
- { name: NAMESPACE, value: {{ .Values.sessions.namespace }} }
- { name: PUBLIC_URL, value: {{ .Values.publicUrl | quote }} }
- { name: APPS_DOMAIN, value: {{ .Values.appsDomain | quote }} }
- { name: USER_PV_SIZE, value: {{ .Values.sessions.homeSize | quote }} }
{{- with .Values.sessions.storageClass }}
- { name: DEFAULT_STORAGE_CLASS, value: {{ . | quote }} }
{{- end }}
- name: SECRET_KEY
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: secret-key } }
{{ include "streamspace.database" . | trim }}
{{- range $name, $value := .Values.settings }}
- { name: {{ $name }}, value: {{ (kindIs "float64" $value) | ternary (printf "%.0f" (float64 $value)) (toString $value) | quote }} }
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "streamspace.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
