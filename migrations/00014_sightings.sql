-- +goose Up
create table sightings (
    connection_id uuid not null,
    account_id uuid not null,
    resource text not null,
    sealed bytea not null,
    seen_at timestamptz not null,
    constraint sightings_pkey primary key (connection_id, resource),
    constraint sightings_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id)
);
comment on table sightings is 'resources as the drift monitor saw them last, since the snapshot that it compares with';
comment on column sightings.resource is 'keyed digest of the resource''s key';
alter table sightings enable row level security;
alter table sightings force row level security;
create policy sightings_own on sightings to imago_drift
    using (account_id = (select current_account()));
grant select, insert, update (sealed, seen_at), delete on sightings to imago_drift;
