/** Whether a label or taint belongs to Kubernetes or to the platform: the server refuses to change it. */
export const isProtected = (key: string): boolean => /^([^/]+\.)?(kubernetes\.io|k8s\.io|streamspace\.io)\//i.test(key)
