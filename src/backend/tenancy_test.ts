import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Tenancy } from "./tenancy.ts";

Deno.test("Tenancy counts leases, and tells the first one", () => {
  const tenancy = new Tenancy(5);
  deepEqual([tenancy.begins(), tenancy.begins(), tenancy.count], [true, false, 2]);
});

Deno.test("Tenancy knows who was there before, and since when nobody is", () => {
  const tenancy = new Tenancy(5);
  equal(tenancy.usedMs, 5);
  deepEqual([tenancy.isOf(7), tenancy.isOf(7), tenancy.isOf(8), tenancy.isOf(7)], [
    false,
    true,
    false,
    false,
  ]);
  tenancy.ends(9);
  equal(tenancy.usedMs, 9);
});

Deno.test("Tenancy.tenant is whose lease was the last one, also when nobody is there", () => {
  const tenancy = new Tenancy(5);
  equal(tenancy.tenant, 0);
  tenancy.isOf(7);
  tenancy.ends(9);
  equal(tenancy.tenant, 7);
});
