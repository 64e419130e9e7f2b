export const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    app: web
    tier: front
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: example/web:v1
        ports: [{containerPort: 80}]
`;

export const POD_THAT_STAYS = `apiVersion: v1
kind: Pod
metadata:
  name: stays
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: example/stays
`;

export const CRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: sensors.test.kedge.io
spec:
  group: test.kedge.io
  scope: Namespaced
  names: {kind: Sensor, plural: sensors, singular: sensor}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Unit, type: string, jsonPath: .spec.unit}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              unit: {type: string, default: celsius}
              replicas: {type: integer, minimum: 0}
          status:
            type: object
            properties:
              replicas: {type: integer}
`;

export const CUSTOM_OBJECT = `apiVersion: test.kedge.io/v1
kind: Sensor
metadata:
  name: s1
spec:
  replicas: 1
`;
