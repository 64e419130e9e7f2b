/** The suite holds for a stock kubelet: that is what makes it the truth. */
import { THEMES } from "./cases/all.ts";
import { missingKubelet, startKubelet } from "./kubelet-target.ts";
import { LONG } from "./long-form.ts";
import { describeCases } from "./run-theme.ts";

const skip = LONG ? missingKubelet() : "takes minutes; ./kedge test --long runs it";
describeCases("pods on a stock kubelet", THEMES, () => startKubelet("kubelet-pods"), skip);
