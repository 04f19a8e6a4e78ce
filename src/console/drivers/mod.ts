/**
 * What drivers, pools and dashboards send to any PostgreSQL about their own connection, as commands that change nothing of
 * pgplex.
 *
 * @module
 */
export * from "./connection_commands.ts";
export * from "./driver_settings.ts";
