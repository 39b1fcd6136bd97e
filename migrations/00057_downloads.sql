-- +goose Up
-- Downloads: an address that gives one snapshot, or all of a connection, once, within five
-- minutes, to the person who asked for it. The database sees to all of these.

create table downloads (
    id uuid not null default new_id(),
    account_id uuid not null,
    user_id uuid not null default current_user_id(),
    connection_id uuid not null,
    snapshot_id uuid,
    plain boolean not null default false,
    token_hash bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '5 minutes',
    taken_at timestamptz,
    constraint downloads_pkey primary key (id),
    constraint downloads_user_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint downloads_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id) on delete cascade,
    constraint downloads_snapshot_fkey foreign key (account_id, snapshot_id)
        references snapshots (account_id, id) on delete cascade,
    constraint downloads_token_hash_length check (octet_length(token_hash) = 32),
    constraint downloads_plain_one check (not plain or snapshot_id is not null)
);
comment on table downloads is 'addresses from which a person takes snapshots away, each once';
comment on column downloads.snapshot_id is 'null: all of the connection';
comment on column downloads.plain is 'whether it is decrypted';
comment on column downloads.token_hash is 'SHA-256 of the secret in the address';
create index downloads_created_idx on downloads (created_at);
alter table downloads enable row level security;
alter table downloads force row level security;
create policy downloads_own on downloads to imago_api
    using (account_id = (select current_account()) and user_id = (select current_user_id()));
-- Once is once: what was taken is not offered again, and too late is too late.
create policy downloads_once on downloads as restrictive for update to imago_api
    using (taken_at is null and expires_at > now()) with check (taken_at is not null);
create policy downloads_definer on downloads to imago_definer using (true) with check (true);
-- Times are the database's own.
grant select, insert (account_id, connection_id, snapshot_id, plain, token_hash), update (taken_at) on downloads to imago_api;
grant select, delete on downloads to imago_definer;

-- +goose StatementBegin
create or replace function purge_expired()
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick purges' using errcode = 'IM002';
    end if;
    delete from public.sign_in_codes c where c.created_at < now() - interval '1 day';
    delete from public.idempotency_keys k where k.created_at < now() - interval '1 day';
    delete from public.downloads d where d.created_at < now() - interval '1 day';
    delete from public.sessions s where s.expires_at < now() - interval '30 days';
    delete from public.billing_events e where e.received_at < now() - interval '90 days';
    delete from public.mail_events e where e.received_at < now() - interval '90 days';
end
$$;
-- +goose StatementEnd
comment on function purge_expired() is 'forgets sign-in codes, idempotency keys and downloads after a day, sessions 30 days after their end, what Stripe and the mail provider told after 90';

-- Taking snapshots away is nothing for tokens.
alter table sessions drop constraint sessions_scopes_harmless;
alter table sessions add constraint sessions_scopes_harmless check (not scopes && array[
    'approve_restore', 'edit_members', 'edit_security', 'edit_sso', 'edit_keys', 'edit_billing', 'delete_connection', 'delete_account', 'download']);
