import { TestKubernetes } from "@kedge/testing";
import { DEVICE_STATUSES } from "@kedge/api";
import { Informer } from "@kedge/kube-client";
import { CRDS, DeviceControllerHarness } from "./devicecontroller-harness.ts";
const k = await TestKubernetes.start();
try {
  await k.kubectl("apply", "-f", CRDS);
  await k.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
  const h = new DeviceControllerHarness(k, "default");
  await h.device("d", "n1");
  await h.start();
  const inf = new Informer(h.kube, DEVICE_STATUSES, { namespace: "default" });
  inf.onChange((o, s) => console.log("change", s?.metadata?.name));
  await inf.synced;
  console.log("synced", inf.size, h.controller?.deviceFor(h.node("n1"), "default/d")?.metadata?.name);
  console.log(await k.kubectl("get", "devicestatus"));
  setTimeout(async () => {
    console.log("disp");
    await inf[Symbol.asyncDispose]();
    console.log("disposed");
    await h[Symbol.asyncDispose]();
    console.log("h");
    await k[Symbol.asyncDispose]();
    process.exit();
  }, 3000);
} catch (e) {
  console.log(e);
  await k[Symbol.asyncDispose]();
  process.exit(1);
}
