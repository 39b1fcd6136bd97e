-- +goose Up
-- A demo org: a connection to an org in the operator's simulator, made and furnished by a
-- job, with a story in it. Its data is nobody's, so it may go with its snapshots.

alter table connections add column demo text not null default '';
alter table connections add constraint connections_demo_length check (char_length(demo) <= 30);
-- The address of a demo org leads nowhere by itself (RFC 6761), and no other connection has
-- such a one: whoever writes to this table cannot make a demo of a customer's org, or have
-- the programs take another address for the operator's simulator.
alter table connections add constraint connections_demo_org_url
    check ((demo <> '') = (org_url ~ '^http://demo-[0-9a-f]{12}\.imago\.invalid$'));
create unique index connections_demo_key on connections (account_id) where demo <> '';
alter table connections add column demo_app boolean not null default false;
grant update (demo_app) on connections to imago_api;
comment on column connections.demo_app is 'whether a demo''s service app that restores is to be active, as somebody asked for in Okta''s place';
comment on column connections.demo is 'how far the story of a demo org has been played; empty: no demo, but somebody''s org';
grant update (demo) on connections to imago_worker;

-- +goose StatementBegin
create or replace function guard_connection() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if old.demo = '' and exists (select from public.snapshots s
            where s.account_id = old.account_id and s.connection_id = old.id and s.state <> 'failed') then
        raise exception 'connection % holds snapshots', old.id using errcode = 'IM003';
    end if;
    return old;
end
$$;
-- +goose StatementEnd
comment on function guard_connection() is 'no connection but a demo goes with a snapshot, whoever deletes it: a stolen session must not destroy backups';

-- A restore is of a snapshot that its connection holds, so it goes with a demo alone.
alter table restores drop constraint restores_connection_fkey;
alter table restores add constraint restores_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table restore_steps drop constraint restore_steps_restore_fkey;
alter table restore_steps add constraint restore_steps_restore_fkey foreign key (account_id, restore_id)
    references restores (account_id, id) on delete cascade;
alter table finding_states drop constraint finding_states_restore_fkey;
alter table finding_states add constraint finding_states_restore_fkey foreign key (account_id, restore_id)
    references restores (account_id, id) on delete cascade;

-- For imago_worker.
-- +goose StatementBegin
create function current_demo() returns uuid
language sql stable security definer set search_path = ''
as $$
    select c.id
    from river.river_job j
    join public.connections c on c.account_id = public.current_account()
        and c.id = public.as_uuid(j.args ->> 'connection_id')
    where j.id = public.current_job_id() and j.kind = 'make_demo' and c.demo <> ''
$$;
-- +goose StatementEnd
comment on function current_demo() is 'the demo that the running job makes, of the current account';

-- +goose StatementBegin
create function set_demo_client(purpose text, client_id text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.credentials c set client_id = set_demo_client.client_id, state = 'set'
    where c.connection_id = public.current_demo() and c.purpose = set_demo_client.purpose;
    return found;
end
$$;
-- +goose StatementEnd
comment on function set_demo_client(text, text) is 'stores what the simulator called a service app of the demo that the running job makes';

grant update (client_id, state) on credentials to imago_definer;
grant select (ended_at) on restores to imago_definer; -- for guard_credential
create policy credentials_definer_demo on credentials for update to imago_definer
    using (connection_id = public.current_demo()) with check (connection_id = public.current_demo());

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.current_demo() owner to imago_definer';
    execute 'alter function public.set_demo_client(text, text) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.current_demo() from public';
    execute 'revoke execute on function public.set_demo_client(text, text) from public';
    execute 'grant execute on function public.current_demo() to imago_worker, imago_definer';
    execute 'grant execute on function public.set_demo_client(text, text) to imago_worker';
end
$$;
-- +goose StatementEnd

-- Whoever makes a demo sees both of its service apps' public keys.
create policy credentials_worker_demo on credentials for select to imago_worker
    using (account_id = (select current_account()) and connection_id = (select current_demo()));

create policy river_job_api_demo on river.river_job for insert to imago_api
    with check (kind in ('make_demo', 'switch_demo', 'remove_demo') and args ->> 'account_id' = (select current_account())::text);
create policy river_job_worker_demo on river.river_job for insert to imago_worker
    with check (kind in ('check_connection', 'take_snapshot') and args ->> 'account_id' = (select current_account())::text
        and args ->> 'connection_id' = (select current_demo())::text);
