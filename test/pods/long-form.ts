/** `./kedge test --long`: what takes too long for each test run. */
export const LONG = process.env["KEDGE_LONG"] === "1";
