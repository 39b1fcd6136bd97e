-- +goose Up
create table activity_logs (
    account_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    action text not null,
    target_type text not null default '',
    target_id text not null default '',
    request_id text not null default '',
    sealed bytea not null,
    prev_hash bytea not null,
    hash bytea not null,
    constraint activity_logs_pkey primary key (account_id, seq),
    constraint activity_logs_account_fkey foreign key (account_id) references accounts (id),
    constraint activity_logs_seq_range check (seq > 0),
    constraint activity_logs_hash_length check (octet_length(hash) = 32 and octet_length(prev_hash) = 32)
);
comment on table activity_logs is 'what was done, by whom, when and from where: only ever added to, chained by hash; who and where are sealed';
alter table activity_logs enable row level security;
alter table activity_logs force row level security;
create policy activity_logs_own on activity_logs to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert on activity_logs to imago_api;
grant insert on activity_logs to imago_worker, imago_drift;

create table activity_heads (
    account_id uuid not null,
    seq bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    constraint activity_heads_pkey primary key (account_id),
    constraint activity_heads_account_fkey foreign key (account_id) references accounts (id)
);
comment on table activity_heads is 'where each account''s activity log ends: what a shortened log is found out by';
alter table activity_heads enable row level security;
alter table activity_heads force row level security;
create policy activity_heads_own on activity_heads for select to imago_api
    using (account_id = (select current_account()));
grant select on activity_heads to imago_api;
grant select, insert, update on activity_heads to imago_definer;
create policy activity_heads_definer on activity_heads to imago_definer using (true) with check (true);

-- +goose StatementBegin
create function lock_activity_head() returns table (seq bigint, hash bytea)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    insert into public.activity_heads (account_id)
    select a.id from public.accounts a where a.id = public.current_account()
    on conflict on constraint activity_heads_pkey do nothing;
    return query
        select h.seq, h.hash from public.activity_heads h
        where h.account_id = public.current_account() for update;
end
$$;
-- +goose StatementEnd
comment on function lock_activity_head() is 'the end of the current account''s log, held until the transaction ends; its rows are added one after another';

-- +goose StatementBegin
create function advance_activity_head() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    update public.activity_heads h set seq = new.seq, hash = new.hash
    where h.account_id = new.account_id and h.seq = new.seq - 1 and h.hash = new.prev_hash;
    if not found then
        raise exception 'activity % of account % does not follow the one before it', new.seq, new.account_id
            using errcode = 'IM003';
    end if;
    return null;
end
$$;
-- +goose StatementEnd
comment on function advance_activity_head() is 'a row that does not continue the chain is refused, whoever writes it';

-- +goose StatementBegin
create function refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
    raise exception '% of % is refused: it is only ever added to', tg_op, tg_table_name using errcode = 'IM002';
end
$$;
-- +goose StatementEnd
comment on function refuse_change() is 'what was written stays as it was written, also for the owner';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.lock_activity_head() owner to imago_definer';
    execute 'alter function public.advance_activity_head() owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.lock_activity_head() from public';
    execute 'revoke execute on function public.advance_activity_head() from public';
    execute 'grant execute on function public.lock_activity_head() to imago_api, imago_worker, imago_drift';
end
$$;
-- +goose StatementEnd

create trigger activity_logs_chain after insert on activity_logs
    for each row execute function advance_activity_head();
create trigger activity_logs_keep before update or delete on activity_logs
    for each row execute function refuse_change();
create trigger activity_logs_keep_all before truncate on activity_logs
    for each statement execute function refuse_change();
