/** Where a client goes, as whom, and under which name. */
export interface DestinationKey {
  readonly cluster: string;
  readonly database: string;
  readonly user: string;
  /** The alias whose pool keys hold, or null. */
  readonly alias: string | null;
  /** Sessions, or pgplex's own look-ups, which log in as the cluster's superuser whatever any client knows. */
  readonly purpose: "clients" | "auth";
}
