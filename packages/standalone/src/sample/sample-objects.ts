import type { ConfigMap, Deployment, KubeObject, Secret } from "@kedge/kube";

/** Everything of the sample, in namespace `default`. */
export const SAMPLE_NAMESPACE = "default";
export const SAMPLE_APP = "hello";
export const SAMPLE_DEVICE = "thermometer";
export const SAMPLE_PORT = 8080;
export const SAMPLE_REPLICAS = 2;
export const SAMPLE_TARGET = "21.5";

const labels = { app: SAMPLE_APP };

const CGI = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
printf '%s from pod %s on node %s\\n' "$GREETING" "$POD_NAME" "$NODE_NAME"
`;

export const sampleConfigMap: ConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "hello-page", namespace: SAMPLE_NAMESPACE, labels },
  data: {
    "index.html": "This page is the key index.html of ConfigMap hello-page. Edit it and reload.\n",
    "whoami.sh": CGI,
  },
};

export const sampleSecret: Secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "hello-greeting", namespace: SAMPLE_NAMESPACE, labels },
  type: "Opaque",
  data: { greeting: Buffer.from("Ahoy").toString("base64") },
};

/** Two web servers from busybox: `/` is the ConfigMap's page, `/cgi-bin/whoami.sh` greets with the Secret's word. */
export function sampleDeployment(image: string, nodeName: string): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: SAMPLE_APP, namespace: SAMPLE_NAMESPACE, labels },
    spec: {
      replicas: SAMPLE_REPLICAS,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { "kubernetes.io/hostname": nodeName },
          terminationGracePeriodSeconds: 2,
          automountServiceAccountToken: false,
          containers: [
            {
              name: "web",
              image,
              imagePullPolicy: "Never",
              command: ["httpd", "-f", "-p", String(SAMPLE_PORT), "-h", "/www"],
              ports: [{ name: "http", containerPort: SAMPLE_PORT }],
              env: [
                { name: "GREETING", valueFrom: { secretKeyRef: { name: "hello-greeting", key: "greeting" } } },
                { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
                { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
              ],
              resources: { requests: { cpu: "10m", memory: "8Mi" }, limits: { memory: "32Mi" } },
              securityContext: { runAsUser: 65534, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
              volumeMounts: [{ name: "page", mountPath: "/www" }],
            },
          ],
          volumes: [
            {
              name: "page",
              configMap: {
                name: "hello-page",
                items: [
                  { key: "index.html", path: "index.html" },
                  { key: "whoami.sh", path: "cgi-bin/whoami.sh", mode: 0o755 },
                ],
              },
            },
          ],
        },
      },
    },
  };
}

export const sampleDeviceModel: KubeObject & { spec: object } = {
  apiVersion: "devices.kubeedge.io/v1beta1",
  kind: "DeviceModel",
  metadata: { name: SAMPLE_DEVICE, namespace: SAMPLE_NAMESPACE },
  spec: {
    protocol: "mqtt",
    properties: [
      { name: "temperature", description: "what it measures", type: "FLOAT", accessMode: "ReadOnly", unit: "°C" },
      { name: "target", description: "what it should hold", type: "FLOAT", accessMode: "ReadWrite", unit: "°C" },
    ],
  },
};

export function sampleDevice(nodeName: string): KubeObject & { spec: object } {
  return {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "Device",
    metadata: { name: SAMPLE_DEVICE, namespace: SAMPLE_NAMESPACE, labels: { description: "sample-thermometer" } },
    spec: {
      deviceModelRef: { name: SAMPLE_DEVICE },
      nodeName,
      protocol: { protocolName: "mqtt" },
      properties: [
        { name: "target", reportToCloud: true, desired: { value: SAMPLE_TARGET } },
        { name: "temperature", reportToCloud: true },
      ],
    },
  };
}
