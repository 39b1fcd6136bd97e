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

-- What our own restores write is no drift: the drift monitor knows it by the write app's
-- client ID, and must not see the rest of that credential.
grant select (account_id, connection_id, purpose, client_id) on credentials to imago_definer;
create policy credentials_definer on credentials for select to imago_definer using (true);

-- +goose StatementBegin
create function write_client(connection uuid) returns text
language sql stable security definer set search_path = ''
as $$
    select c.client_id from public.credentials c
    where c.connection_id = connection and c.purpose = 'write' and c.account_id = public.current_account()
$$;
-- +goose StatementEnd
comment on function write_client(uuid) is 'client ID of the service app that restores, of a connection of the current account';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.write_client(uuid) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.write_client(uuid) from public';
    execute 'grant execute on function public.write_client(uuid) to imago_drift';
end
$$;
-- +goose StatementEnd
