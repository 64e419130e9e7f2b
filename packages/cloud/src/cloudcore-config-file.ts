/** Where KubeEdge has it. */
export const CLOUDCORE_CONFIG_FILE = "/etc/kubeedge/config/cloudcore.yaml";
