import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { formatConninfo, parseConninfo, passfileLine, upstreamConninfo } from "./conninfo.ts";

const read = (text: string) => {
  const found = parseConninfo(text);
  return found === null ? null : Object.fromEntries(found);
};

Deno.test("parseConninfo reads what libpq reads", () => {
  deepEqual(read("host=a port = 5  user='o\\'b \\\\x' password=p\\ q"), {
    host: "a",
    port: "5",
    user: "o'b \\x",
    password: "p q",
  });
  deepEqual(read(""), {});
  deepEqual(read("password='' host=a"), { password: "", host: "a" });
});

Deno.test("parseConninfo says null to a URI and to what libpq refuses", () => {
  for (const text of ["postgresql://a/b", "host", "host='a", "host='a'b", "=x", "host=a 'b'"]) {
    equal(read(text), null, text);
  }
});

Deno.test("formatConninfo writes what parseConninfo reads as the same, whatever the values; empty ones are left out", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.string())), (pairs) => {
      const given = new Map(pairs);
      const expected = [...given].filter(([, value]) => value !== "");
      deepEqual([...parseConninfo(formatConninfo(given))!], expected);
    }),
    { seed: 15 },
  );
});

const UPSTREAM = { name: "n2", host: "10.0.0.2", port: 5433 };
const OWN = new Map([["user", "boss"], ["password", "it's"], ["sslmode", "require"]]);

Deno.test("upstreamConninfo keeps how a standby logs in, and changes where", () => {
  const before = parseConninfo(
    "host=old hostaddr=1.2.3.4 port=1 user=repl password='x y' application_name=s1",
  );
  equal(
    formatConninfo(upstreamConninfo(UPSTREAM, { before, own: OWN, standby: "n1" })),
    "host=10.0.0.2 port=5433 user=repl password='x y' application_name=s1",
  );
});

Deno.test("upstreamConninfo logs in as pgplex does where the standby has no way of its own", () => {
  const own = "host=10.0.0.2 port=5433 user=boss password='it\\'s' sslmode=require application_name=n1";
  for (const before of [null, new Map<string, string>(), new Map([["password", "of nobody"]])]) {
    equal(formatConninfo(upstreamConninfo(UPSTREAM, { before, own: OWN, standby: "n1" })), own);
  }
});

Deno.test("passfileLine hides the marks that it is divided by", () => {
  equal(passfileLine("a:b", "x\\y:z"), "*:*:*:a\\:b:x\\\\y\\:z\n");
});

Deno.test("upstreamConninfo gives the password that pgplex knows to whom it knows", () => {
  const before = parseConninfo("host=old user=boss passfile=/f");
  equal(
    formatConninfo(upstreamConninfo(UPSTREAM, { before, own: OWN, standby: "n1" })),
    "host=10.0.0.2 port=5433 user=boss password='it\\'s' application_name=n1",
  );
});
