import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** What RESET goes back to is not always nothing: of roles and of custom settings too. */
const served = new Served({
  major: 18,
  settings: { "filed.v": "filed" },
  setup: `${CROWD_SETUP} CREATE ROLE r1; CREATE ROLE r2; CREATE ROLE app LOGIN; CREATE ROLE set_up LOGIN;
    GRANT r1, r2, crowd TO app, set_up;
    ALTER ROLE set_up SET role = 'r1'; ALTER ROLE set_up SET own.v = 'own'; ALTER DATABASE postgres SET shared.v = 'shared';
  `,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** A role that is taken from the start. */
const ROLES = [
  "SELECT session_user, current_user",
  "SET ROLE r2",
  "SELECT current_user",
  "SELECT 1",
  "RESET ROLE",
  "SELECT current_user",
  "SET ROLE NONE",
  "SELECT current_user",
  "SELECT 1",
  "SELECT current_user",
  "SET work_mem = '5MB'",
  "SELECT current_user",
  "RESET ALL",
  "SELECT current_user",
  "DISCARD ALL",
  "SELECT current_user",
];

/** Nobody else gets it. */
const between = (sql: string, steps: readonly string[]) =>
  steps.flatMap((step) => [step, { everywhere: sql }]);

const customs = (name: string) => [
  `SHOW ${name}`,
  `SET ${name} = ''`,
  `SHOW ${name}`,
  "SELECT 1",
  `SHOW ${name}`,
  `SET ${name} = 'x'`,
  `SHOW ${name}`,
  `RESET ${name}`,
  `SHOW ${name}`,
  `SELECT set_config('${name}', '', false)`,
  "SELECT 1",
  `SHOW ${name}`,
  `BEGIN; SET LOCAL ${name} = 'y'; COMMIT`,
  `SHOW ${name}`,
  "RESET ALL",
  `SHOW ${name}`,
];

const SCRIPTS: readonly Compared[] = [
  {
    name: "A role of ALTER ROLE … SET is what RESET ROLE goes back to, and NONE is another",
    user: "set_up",
    steps: between("SELECT current_user", ROLES),
  },
  {
    name: "A role of the startup packet is what RESET ROLE goes back to, and NONE is another",
    user: "app",
    params: { options: "-c role=r1" },
    steps: ROLES,
  },
  {
    name: "A custom setting of the startup packet can be set to nothing",
    params: { options: "-c given.v=given" },
    steps: customs("given.v"),
  },
  ...["own.v", "shared.v", "filed.v"].map((name): Compared => ({
    name:
      `A custom setting of a role, a database or the server's file can be set to nothing, and only for oneself: ${name}`,
    user: "set_up",
    steps: between(`SHOW ${name}`, customs(name)),
  })),
];

comparedTests(served, SCRIPTS);
