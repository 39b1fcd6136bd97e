-- +goose Up
-- A catalogue that was lost comes back from the bucket, by the owner's command. What is put
-- back has the IDs that it had, since every sealed object is bound to them; what is there
-- stays as it is.

grant insert on connections to imago_definer;
create policy connections_definer_rebuild on connections for insert to imago_definer with check (true);
grant update (role) on members to imago_definer;
grant insert on activity_logs to imago_definer;
create policy activity_logs_definer on activity_logs for insert to imago_definer with check (true);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.
-- All of them are for the owner.

-- +goose StatementBegin
create function known_account(of_account uuid) returns table (wrapped bytea, deleted boolean, owners bigint)
language sql stable security definer set search_path = ''
as $$
    select coalesce(k.wrapped, ''), a.shredded_at is not null,
        (select count(*) from public.members m where m.account_id = a.id and m.role = 'owner')
    from public.accounts a left join public.account_keys k on k.account_id = a.id
    where a.id = of_account
$$;
-- +goose StatementEnd
comment on function known_account(uuid) is 'what the catalogue has of an account: its keyring, whether its keys were destroyed, how many own it';

-- +goose StatementBegin
create function known_connections(of_account uuid) returns table (id uuid, org_url text)
language sql stable security definer set search_path = ''
as $$
    select c.id, c.org_url from public.connections c where c.account_id = of_account
$$;
-- +goose StatementEnd
comment on function known_connections(uuid) is 'the connections of an account that the catalogue has';

-- +goose StatementBegin
create function known_snapshots(of_account uuid, of_connection uuid) returns table (id uuid, started_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.started_at from public.snapshots s
    where s.account_id = of_account and s.connection_id = of_connection and s.started_at is not null
$$;
-- +goose StatementEnd
comment on function known_snapshots(uuid, uuid) is 'the snapshots of a connection that the catalogue has';

-- +goose StatementBegin
create function rebuild_account(of_account uuid, called text, since timestamptz, keyring bytea) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    made bigint;
begin
    insert into public.accounts (id, name, created_at) values (of_account, called, since) on conflict (id) do nothing;
    if exists (select from public.accounts a where a.id = of_account and a.shredded_at is not null) then
        raise exception 'account % was deleted', of_account using errcode = 'IM002';
    end if;
    insert into public.account_keys (account_id, wrapped) values (of_account, keyring) on conflict (account_id) do nothing;
    get diagnostics made = row_count;
    return made > 0;
end
$$;
-- +goose StatementEnd
comment on function rebuild_account(uuid, text, timestamptz, bytea) is 'puts an account and its keyring back where they are missing; one that was deleted stays so';

-- A database that was restored from a backup may have an older keyring than the bucket:
-- without the newer one, what was sealed since does not open.
-- +goose StatementBegin
create function rebuild_keyring(of_account uuid, was bytea, keyring bytea) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with renewed as (
        update public.account_keys k set wrapped = keyring, prepared_at = now(), renewed_at = now()
        where k.account_id = of_account and k.wrapped = was and was <> ''
        returning 1)
    select exists (select from renewed)
$$;
-- +goose StatementEnd
comment on function rebuild_keyring(uuid, bytea, bytea) is 'puts the bucket''s newer keyring in the place of an older one';

-- +goose StatementBegin
create function rebuild_owner(of_account uuid, address text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if exists (select from public.members m where m.account_id = of_account and m.role = 'owner') then
        return false;
    end if;
    insert into public.users (email) values (lower(address)) on conflict (email) do nothing;
    insert into public.members (account_id, user_id, role)
    select of_account, u.id, 'owner' from public.users u where u.email = lower(address)
    on conflict (account_id, user_id) do update set role = 'owner';
    return true;
end
$$;
-- +goose StatementEnd
comment on function rebuild_owner(uuid, text) is 'gives an account that nobody owns an owner, who then signs in by a mailed code';

-- Nothing is let go for thirty days: pins, thinning and a paid plan are lost, and have to be
-- said anew before retention goes by them.
-- +goose StatementBegin
create function rebuild_connection(of_account uuid, connection jsonb) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    of_connection uuid := connection ->> 'id';
    called text := connection ->> 'name';
    made bigint;
begin
    if exists (select from public.connections c where c.account_id = of_account and c.name = called) then
        called := called || ' ' || left(of_connection::text, 13);
    end if;
    insert into public.connections (id, account_id, provider, name, org_url, state, problem, org_id, engine, created_at, forget_at)
    values (of_connection, of_account, connection ->> 'provider', called, connection ->> 'org_url', 'failed', connection -> 'problem',
        connection ->> 'org_id', connection ->> 'engine', (connection ->> 'created_at')::timestamptz, now() + interval '30 days')
    on conflict (id) do nothing;
    get diagnostics made = row_count;
    return made > 0;
end
$$;
-- +goose StatementEnd
comment on function rebuild_connection(uuid, jsonb) is 'puts a connection back, whose credentials are lost';

-- +goose StatementBegin
create function rebuild_snapshots(of_account uuid, of_connection uuid, listed jsonb) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
    made bigint;
begin
    insert into public.snapshots (id, account_id, connection_id, trigger, state, created_at, started_at, ended_at,
        manifest_digest, objects, bytes, plain_bytes, calls, gaps, types)
    select f.id, of_account, of_connection, f.trigger, f.state, f.started_at, f.started_at, f.ended_at,
        f.manifest_digest, f.objects, f.bytes, f.plain_bytes, f.calls, f.gaps, f.types
    from jsonb_to_recordset(listed) as f (id uuid, trigger text, state text, started_at timestamptz, ended_at timestamptz,
        manifest_digest text, objects bigint, bytes bigint, plain_bytes bigint, calls bigint, gaps int, types jsonb)
    on conflict (id) do nothing;
    get diagnostics made = row_count;
    return made;
end
$$;
-- +goose StatementEnd
comment on function rebuild_snapshots(uuid, uuid, jsonb) is 'puts snapshots back, each as its manifest tells';

-- +goose StatementBegin
create function rebuild_head(of_account uuid) returns table (seq bigint, hash bytea)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    insert into public.activity_heads (account_id) values (of_account) on conflict on constraint activity_heads_pkey do nothing;
    return query select h.seq, h.hash from public.activity_heads h where h.account_id = of_account for update;
end
$$;
-- +goose StatementEnd
comment on function rebuild_head(uuid) is 'the end of an account''s log, held until the transaction ends, to tell there what was put back';

-- +goose StatementBegin
create function rebuild_told(entry jsonb, sealed bytea, prev_hash bytea, hash bytea) returns void
language sql volatile security definer set search_path = ''
as $$
    insert into public.activity_logs (account_id, seq, at, action, target_type, target_id, request_id, sealed, prev_hash, hash)
    select e.account_id, e.seq, e.at, 'rebuild_catalogue', e.target_type, e.target_id, e.request_id, rebuild_told.sealed, rebuild_told.prev_hash, rebuild_told.hash
    from jsonb_to_record(entry) as e (account_id uuid, seq bigint, at timestamptz, target_type text, target_id text, request_id text)
$$;
-- +goose StatementEnd
comment on function rebuild_told(jsonb, bytea, bytea, bytea) is 'tells in an account''s log what was put back';

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['known_account(uuid)', 'known_connections(uuid)', 'known_snapshots(uuid, uuid)',
        'rebuild_account(uuid, text, timestamptz, bytea)', 'rebuild_keyring(uuid, bytea, bytea)', 'rebuild_owner(uuid, text)',
        'rebuild_connection(uuid, jsonb)', 'rebuild_snapshots(uuid, uuid, jsonb)', 'rebuild_head(uuid)',
        'rebuild_told(jsonb, bytea, bytea, bytea)']
    loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
        execute format('grant execute on function public.%s to %I', signature, current_user);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
